//! Comparing pages, which is most of what a switch between processes costs: the compiler's own comparison goes byte by byte in Wasm.

/// Bytes that are looked at between two branches.
const BLOCK: usize = 128;

/// Whether two pages are alike.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.as_chunks::<BLOCK>().0.iter().zip(b.as_chunks::<BLOCK>().0).all(|(a, b)| differences::are_none(a, b))
}

/// Whether a page has nothing but zeros.
pub fn is_zero(page: &[u8]) -> bool {
    page.as_chunks::<BLOCK>().0.iter().all(|block| differences::are_none(block, &[0; BLOCK]))
}

#[cfg(target_arch = "wasm32")]
mod differences {
    use core::arch::wasm32::{i64x2_splat, v128, v128_any_true, v128_load, v128_or, v128_xor};

    use super::BLOCK;

    pub fn are_none(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> bool {
        // SAFETY: `at` is a multiple of 16 below the length; the load needs no alignment.
        let lane = |block: &[u8; BLOCK], at: usize| unsafe { v128_load(block.as_ptr().add(at).cast::<v128>()) };
        let different =
            (0..BLOCK).step_by(16).fold(i64x2_splat(0), |different, at| v128_or(different, v128_xor(lane(a, at), lane(b, at))));
        !v128_any_true(different)
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod differences {
    use super::BLOCK;

    pub fn are_none(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> bool {
        a == b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_may_differ() {
        let zeros = [0; 4096];
        assert!(same(&zeros, &zeros) && is_zero(&zeros));
        for at in 0..zeros.len() {
            let mut page = zeros;
            page[at] = 0x80;
            assert!(!same(&page, &zeros) && !same(&zeros, &page) && !is_zero(&page), "byte {at}");
        }
    }
}

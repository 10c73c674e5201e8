//! The instructions, on registers: their operands in memory are read by the same code as those of any other instruction.

/// A row: prefix (0 for none), map (0x0f, 0x38, 0x3a), opcode, and which variants there are.
pub struct Form {
    name: &'static str,
    prefix: u8,
    map: u8,
    opcode: u8,
    variants: &'static [Variant],
}

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    /// xmm0, xmm1, and with VEX ymm0, ymm1, ymm2 and xmm0, xmm1, xmm2.
    Legacy,
    Vex128,
    Vex256,
    /// VEX with two operands: vvvv is unused.
    Vex128Two,
    Vex256Two,
    /// Only VEX.W = 1 (FMA on doubles).
    VexWide128,
    VexWide256,
    /// rax, xmm1 or xmm0, rax.
    ToRax,
    FromRax,
    /// For each of some immediate bytes.
    Immediates(&'static [u8]),
}
use Variant::*;

const PACKED: &[Variant] = &[Legacy, Vex128, Vex256];
const SCALAR: &[Variant] = &[Legacy, Vex128];
const PACKED_TWO: &[Variant] = &[Legacy, Vex128Two, Vex256Two];
const COMI: &[Variant] = &[Legacy, Vex128Two];
const TO_RAX: &[Variant] = &[ToRax];
const FROM_RAX: &[Variant] = &[FromRax];
const PREDICATES: &[u8] =
    &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];
const LOW_PREDICATES: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7];
const ROUNDINGS: &[u8] = &[0, 1, 2, 3, 4, 8, 9, 12];
const DOT_MASKS: &[u8] = &[0xff, 0x31, 0x7f, 0x9a];
const FMA: &[Variant] = &[Vex128, Vex256, VexWide128, VexWide256];
const FMA_SCALAR: &[Variant] = &[Vex128, VexWide128];

macro_rules! forms {
    ($($name:ident: $prefix:literal $map:literal $opcode:literal $variants:expr;)*) => {
        pub const FORMS: &[Form] = &[$(Form { name: stringify!($name), prefix: $prefix, map: $map, opcode: $opcode, variants: $variants },)*];
    };
}
forms! {
    addps: 0 0x0f 0x58 PACKED; addpd: 0x66 0x0f 0x58 PACKED; addss: 0xf3 0x0f 0x58 SCALAR; addsd: 0xf2 0x0f 0x58 SCALAR;
    mulps: 0 0x0f 0x59 PACKED; mulpd: 0x66 0x0f 0x59 PACKED; mulss: 0xf3 0x0f 0x59 SCALAR; mulsd: 0xf2 0x0f 0x59 SCALAR;
    subps: 0 0x0f 0x5c PACKED; subpd: 0x66 0x0f 0x5c PACKED; subss: 0xf3 0x0f 0x5c SCALAR; subsd: 0xf2 0x0f 0x5c SCALAR;
    minps: 0 0x0f 0x5d PACKED; minpd: 0x66 0x0f 0x5d PACKED; minss: 0xf3 0x0f 0x5d SCALAR; minsd: 0xf2 0x0f 0x5d SCALAR;
    divps: 0 0x0f 0x5e PACKED; divpd: 0x66 0x0f 0x5e PACKED; divss: 0xf3 0x0f 0x5e SCALAR; divsd: 0xf2 0x0f 0x5e SCALAR;
    maxps: 0 0x0f 0x5f PACKED; maxpd: 0x66 0x0f 0x5f PACKED; maxss: 0xf3 0x0f 0x5f SCALAR; maxsd: 0xf2 0x0f 0x5f SCALAR;
    sqrtps: 0 0x0f 0x51 PACKED_TWO; sqrtpd: 0x66 0x0f 0x51 PACKED_TWO; sqrtss: 0xf3 0x0f 0x51 SCALAR; sqrtsd: 0xf2 0x0f 0x51 SCALAR;
    addsubps: 0xf2 0x0f 0xd0 PACKED; addsubpd: 0x66 0x0f 0xd0 PACKED;
    haddps: 0xf2 0x0f 0x7c PACKED; haddpd: 0x66 0x0f 0x7c PACKED; hsubps: 0xf2 0x0f 0x7d PACKED; hsubpd: 0x66 0x0f 0x7d PACKED;
    ucomiss: 0 0x0f 0x2e COMI; ucomisd: 0x66 0x0f 0x2e COMI; comiss: 0 0x0f 0x2f COMI; comisd: 0x66 0x0f 0x2f COMI;
    cmpps: 0 0x0f 0xc2 &[Legacy, Immediates(LOW_PREDICATES)]; cmppd: 0x66 0x0f 0xc2 &[Legacy, Immediates(LOW_PREDICATES)];
    cmpss: 0xf3 0x0f 0xc2 &[Legacy, Immediates(LOW_PREDICATES)]; cmpsd: 0xf2 0x0f 0xc2 &[Legacy, Immediates(LOW_PREDICATES)];
    vcmpps: 0 0x0f 0xc2 &[Vex256, Immediates(PREDICATES)]; vcmppd: 0x66 0x0f 0xc2 &[Vex128, Immediates(PREDICATES)];
    vcmpss: 0xf3 0x0f 0xc2 &[Vex128, Immediates(PREDICATES)]; vcmpsd: 0xf2 0x0f 0xc2 &[Vex128, Immediates(PREDICATES)];
    roundps: 0x66 0x3a 0x08 &[Legacy, Vex256Two, Immediates(ROUNDINGS)]; roundpd: 0x66 0x3a 0x09 &[Legacy, Vex128Two, Immediates(ROUNDINGS)];
    roundss: 0x66 0x3a 0x0a &[Legacy, Vex128, Immediates(ROUNDINGS)]; roundsd: 0x66 0x3a 0x0b &[Legacy, Vex128, Immediates(ROUNDINGS)];
    dpps: 0x66 0x3a 0x40 &[Legacy, Vex256, Immediates(DOT_MASKS)]; dppd: 0x66 0x3a 0x41 &[Legacy, Vex128, Immediates(DOT_MASKS)];
    cvtsi2ss: 0xf3 0x0f 0x2a FROM_RAX; cvtsi2sd: 0xf2 0x0f 0x2a FROM_RAX;
    cvttss2si: 0xf3 0x0f 0x2c TO_RAX; cvttsd2si: 0xf2 0x0f 0x2c TO_RAX; cvtss2si: 0xf3 0x0f 0x2d TO_RAX; cvtsd2si: 0xf2 0x0f 0x2d TO_RAX;
    cvtps2pd: 0 0x0f 0x5a PACKED_TWO; cvtpd2ps: 0x66 0x0f 0x5a PACKED_TWO; cvtss2sd: 0xf3 0x0f 0x5a SCALAR; cvtsd2ss: 0xf2 0x0f 0x5a SCALAR;
    cvtdq2ps: 0 0x0f 0x5b PACKED_TWO; cvtps2dq: 0x66 0x0f 0x5b PACKED_TWO; cvttps2dq: 0xf3 0x0f 0x5b PACKED_TWO;
    cvttpd2dq: 0x66 0x0f 0xe6 PACKED_TWO; cvtdq2pd: 0xf3 0x0f 0xe6 PACKED_TWO; cvtpd2dq: 0xf2 0x0f 0xe6 PACKED_TWO;
    vcvtph2ps: 0x66 0x38 0x13 &[Vex128Two, Vex256Two]; vcvtps2ph: 0x66 0x3a 0x1d &[Vex128Two, Vex256Two, Immediates(ROUNDINGS)];
    vfmaddsub132: 0x66 0x38 0x96 FMA; vfmsubadd132: 0x66 0x38 0x97 FMA;
    vfmadd132: 0x66 0x38 0x98 FMA; vfmadd132s: 0x66 0x38 0x99 FMA_SCALAR; vfmsub132: 0x66 0x38 0x9a FMA; vfmsub132s: 0x66 0x38 0x9b FMA_SCALAR;
    vfnmadd132: 0x66 0x38 0x9c FMA; vfnmadd132s: 0x66 0x38 0x9d FMA_SCALAR; vfnmsub132: 0x66 0x38 0x9e FMA; vfnmsub132s: 0x66 0x38 0x9f FMA_SCALAR;
    vfmaddsub213: 0x66 0x38 0xa6 FMA; vfmsubadd213: 0x66 0x38 0xa7 FMA;
    vfmadd213: 0x66 0x38 0xa8 FMA; vfmadd213s: 0x66 0x38 0xa9 FMA_SCALAR; vfmsub213: 0x66 0x38 0xaa FMA; vfmsub213s: 0x66 0x38 0xab FMA_SCALAR;
    vfnmadd213: 0x66 0x38 0xac FMA; vfnmadd213s: 0x66 0x38 0xad FMA_SCALAR; vfnmsub213: 0x66 0x38 0xae FMA; vfnmsub213s: 0x66 0x38 0xaf FMA_SCALAR;
    vfmaddsub231: 0x66 0x38 0xb6 FMA; vfmsubadd231: 0x66 0x38 0xb7 FMA;
    vfmadd231: 0x66 0x38 0xb8 FMA; vfmadd231s: 0x66 0x38 0xb9 FMA_SCALAR; vfmsub231: 0x66 0x38 0xba FMA; vfmsub231s: 0x66 0x38 0xbb FMA_SCALAR;
    vfnmadd231: 0x66 0x38 0xbc FMA; vfnmadd231s: 0x66 0x38 0xbd FMA_SCALAR; vfnmsub231: 0x66 0x38 0xbe FMA; vfnmsub231s: 0x66 0x38 0xbf FMA_SCALAR;
}

impl Form {
    /// Name and bytes of each variant.
    pub fn variants(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        let immediates = self.variants.iter().find_map(|variant| match variant {
            Immediates(list) => Some(*list),
            _ => None,
        });
        let mut result = Vec::new();
        for &variant in self.variants.iter().filter(|variant| !matches!(variant, Immediates(_))) {
            for code in self.encode(variant) {
                match immediates {
                    None => result.push((self.name.to_owned(), code)),
                    Some(list) => result.extend(list.iter().map(|&byte| (self.name.to_owned(), [&code[..], &[byte]].concat()))),
                }
            }
        }
        result.into_iter()
    }

    fn encode(&self, variant: Variant) -> Vec<Vec<u8>> {
        // Register operands 0 and 1: xmm0 and xmm1, or rax; with three operands xmm0, xmm1, xmm2.
        let (two, three) = (0xc1, 0xc2);
        match variant {
            Legacy => vec![self.legacy(false, two)],
            // rax, xmm1: also with 64 bits, and with VEX.
            ToRax => vec![
                self.legacy(false, two),
                self.legacy(true, two),
                self.vex(false, false, true, two),
                self.vex(true, false, true, two),
            ],
            // xmm0, rax; with VEX xmm0, xmm1, rax.
            FromRax => {
                vec![
                    self.legacy(false, 0xc0),
                    self.legacy(true, 0xc0),
                    self.vex(false, false, false, 0xc0),
                    self.vex(true, false, false, 0xc0),
                ]
            }
            Vex128 => vec![self.vex(false, false, false, three)],
            Vex256 => vec![self.vex(false, true, false, three)],
            VexWide128 => vec![self.vex(true, false, false, three)],
            VexWide256 => vec![self.vex(true, true, false, three)],
            Vex128Two => vec![self.vex(false, false, true, two)],
            Vex256Two => vec![self.vex(false, true, true, two)],
            Immediates(_) => Vec::new(),
        }
    }

    fn legacy(&self, wide: bool, modrm: u8) -> Vec<u8> {
        let mut code = Vec::new();
        code.extend((self.prefix != 0).then_some(self.prefix));
        code.extend(wide.then_some(0x48));
        code.push(0x0f);
        code.extend((self.map != 0x0f).then_some(self.map));
        code.extend([self.opcode, modrm]);
        code
    }

    /// The three-byte form: C4, map, W vvvv L pp.
    fn vex(&self, wide: bool, long: bool, two: bool, modrm: u8) -> Vec<u8> {
        let map = match self.map {
            0x38 => 2,
            0x3a => 3,
            _ => 1,
        };
        let prefix = match self.prefix {
            0x66 => 1,
            0xf3 => 2,
            0xf2 => 3,
            _ => 0,
        };
        // vvvv is inverted: 1111 is none, 1110 is register 1.
        let register = if two { 0x78 } else { 0x70 };
        vec![0xc4, 0xe0 | map, u8::from(wide) << 7 | register | u8::from(long) << 2 | prefix, self.opcode, modrm]
    }
}

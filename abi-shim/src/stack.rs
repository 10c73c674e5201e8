//! The stack that a program starts with: strings, auxiliary vector, environment, arguments (System V ABI AMD64, §3.4.1;
//! create_elf_tables of Linux).

use hoist_x86::helpers::cpuid::cpuid_edx;

use crate::errno::Errno;
use crate::mm::{PAGE, STACK_SIZE};
use crate::{user, wasi};

/// Keys of the auxiliary vector (getauxval(3)).
mod at {
    pub const NULL: u64 = 0;
    pub const PHDR: u64 = 3;
    pub const PHENT: u64 = 4;
    pub const PHNUM: u64 = 5;
    pub const PAGESZ: u64 = 6;
    pub const BASE: u64 = 7;
    pub const FLAGS: u64 = 8;
    pub const ENTRY: u64 = 9;
    pub const UID: u64 = 11;
    pub const EUID: u64 = 12;
    pub const GID: u64 = 13;
    pub const EGID: u64 = 14;
    pub const PLATFORM: u64 = 15;
    pub const HWCAP: u64 = 16;
    pub const CLKTCK: u64 = 17;
    pub const SECURE: u64 = 23;
    pub const RANDOM: u64 = 25;
    pub const HWCAP2: u64 = 26;
    pub const EXECFN: u64 = 31;
    pub const MINSIGSTKSZ: u64 = 51;
}

/// AT_HWCAP is EDX of this leaf of CPUID (arch/x86/include/asm/elf.h).
const CPUID_FEATURES: u32 = 1;
/// What a signal frame needs: rt_sigframe, and FXSAVE's 512 bytes with room to align.
const MIN_SIGNAL_STACK: u64 = 2048;
/// Clock ticks per second in times(2).
const CLOCK_TICKS: u64 = 100;

/// Everything that the program finds.
#[derive(Clone, Default, Debug)]
pub struct Start {
    pub argv: Vec<Vec<u8>>,
    pub envp: Vec<Vec<u8>>,
    /// The path that was executed.
    pub execfn: Vec<u8>,
    pub phdr: u64,
    pub phnum: u64,
    /// The program's entry.
    pub entry: u64,
    /// Where the dynamic linker was loaded, 0 if there is none.
    pub base: u64,
    pub uid: u32,
    pub euid: u32,
    pub gid: u32,
    pub egid: u32,
    /// The program has privileges that its caller had not.
    pub secure: bool,
}

/// Where things came to lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Laid {
    pub rsp: u64,
    /// First address and length of the arguments' strings, as `/proc/self/cmdline` shows them; then the environment's.
    pub arguments: (u64, u64),
    pub environment: (u64, u64),
    /// First address and length of the auxiliary vector.
    pub auxv: (u64, u64),
}

impl Start {
    /// # Errors
    /// E2BIG if arguments and environment take more than a quarter of the stack.
    pub fn check_size(&self) -> Result<(), Errno> {
        let strings = self.argv.iter().chain(&self.envp);
        let size: u64 = strings.map(|text| text.len() as u64 + 1 + 8).sum();
        if size > STACK_SIZE / 4 { Err(Errno::E2BIG) } else { Ok(()) }
    }

    fn auxv(&self, platform: u64, random: u64, execfn: u64) -> [(u64, u64); 20] {
        [
            (at::HWCAP, cpuid_edx(CPUID_FEATURES, 0).into()),
            (at::PAGESZ, PAGE),
            (at::CLKTCK, CLOCK_TICKS),
            (at::PHDR, self.phdr),
            (at::PHENT, crate::elf::PHENT),
            (at::PHNUM, self.phnum),
            (at::BASE, self.base),
            (at::FLAGS, 0),
            (at::ENTRY, self.entry),
            (at::UID, self.uid.into()),
            (at::EUID, self.euid.into()),
            (at::GID, self.gid.into()),
            (at::EGID, self.egid.into()),
            (at::SECURE, self.secure.into()),
            (at::RANDOM, random),
            (at::HWCAP2, 0),
            (at::EXECFN, execfn),
            (at::PLATFORM, platform),
            (at::MINSIGSTKSZ, MIN_SIGNAL_STACK),
            (at::NULL, 0),
        ]
    }
}

/// Writes everything below `top`.
///
/// # Errors
/// EFAULT if the stack is not mapped.
pub fn lay(top: u64, start: &Start) -> Result<Laid, Errno> {
    let mut down = Down(top - 8);
    let execfn = down.push_string(&start.execfn)?;
    let envp_end = down.0;
    let envp = down.push_strings(&start.envp)?;
    let argv_end = down.0;
    let argv = down.push_strings(&start.argv)?;
    let argv_start = down.0;
    let platform = down.push_string(b"x86_64")?;
    let mut random = [0; 16];
    wasi::random::fill(&mut random);
    let random = down.push(&random)?;

    let auxv = start.auxv(platform, random, execfn);
    let argc = argv.len() as u64;
    let mut words = vec![argc];
    words.extend(&argv);
    words.push(0);
    words.extend(&envp);
    words.push(0);
    words.extend(auxv.iter().flat_map(|&(key, value)| [key, value]));
    let rsp = (down.0 - 8 * words.len() as u64) & !15;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    user::copy_to_user(rsp, &bytes)?;
    let auxv_len = 16 * auxv.len() as u64;
    Ok(Laid {
        rsp,
        arguments: (argv_start, argv_end - argv_start),
        environment: (argv_end, envp_end - argv_end),
        auxv: (rsp + bytes.len() as u64 - auxv_len, auxv_len),
    })
}

/// An address that what is pushed lowers.
struct Down(u64);

impl Down {
    fn push(&mut self, bytes: &[u8]) -> Result<u64, Errno> {
        self.0 -= bytes.len() as u64;
        user::copy_to_user(self.0, bytes)?;
        Ok(self.0)
    }

    fn push_string(&mut self, text: &[u8]) -> Result<u64, Errno> {
        self.push(&[text, b"\0"].concat())
    }

    /// Pushes strings so that the first lies lowest; their addresses in order.
    fn push_strings(&mut self, texts: &[Vec<u8>]) -> Result<Vec<u64>, Errno> {
        let mut addresses = texts.iter().rev().map(|text| self.push_string(text)).collect::<Result<Vec<_>, _>>()?;
        addresses.reverse();
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoist_x86::boundary::MMAP_MIN_ADDR;

    #[test]
    fn the_abi_s_order() {
        crate::machine::install(vec![], vec![]);
        let top = u64::from(MMAP_MIN_ADDR) + 0x1_0000;
        user::grow_to(top).unwrap();
        let start = Start {
            argv: vec![b"prog".to_vec(), b"arg".to_vec()],
            envp: vec![b"A=1".to_vec()],
            execfn: b"/bin/prog".to_vec(),
            entry: 0x1234,
            ..Start::default()
        };
        let laid = lay(top, &start).unwrap();
        assert_eq!(laid.rsp % 16, 0);
        let words: Vec<u64> = user::read_array(laid.rsp, 6 + 40).unwrap();
        let text = |addr| user::read_path(addr).unwrap();
        assert_eq!(words[0], 2);
        assert_eq!((text(words[1]), text(words[2]), words[3]), (b"prog".to_vec(), b"arg".to_vec(), 0));
        assert_eq!((text(words[4]), words[5]), (b"A=1".to_vec(), 0));
        let auxv = |key| words[6..].chunks(2).find(|pair| pair[0] == key).unwrap()[1];
        assert_eq!(auxv(at::ENTRY), 0x1234);
        assert_eq!(text(auxv(at::EXECFN)), b"/bin/prog");
        assert_eq!(text(auxv(at::PLATFORM)), b"x86_64");
        assert_eq!(words[6 + 38], at::NULL);
        let (addr, len) = laid.arguments;
        assert_eq!(user::UserSlice::new(addr, len, user::Access::Read).unwrap().to_vec(), b"prog\0arg\0");
        let (addr, len) = laid.environment;
        assert_eq!(user::UserSlice::new(addr, len, user::Access::Read).unwrap().to_vec(), b"A=1\0");
        assert_eq!(start.check_size(), Ok(()));
        let huge = Start { argv: vec![vec![b'x'; 3 << 20]], ..Start::default() };
        assert_eq!(huge.check_size(), Err(Errno::E2BIG));
    }
}

//! What a terminal is set to: termios(3), as the kernel lays it out (asm-generic/termbits.h).

use crate::user::Pod;

/// `struct termios`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Termios {
    pub input: u32,
    pub output: u32,
    pub control: u32,
    pub local: u32,
    /// The number of the line discipline.
    pub line: u8,
    /// Control characters, at [`cc`].
    pub cc: [u8; 19],
}
unsafe impl Pod for Termios {}

/// `struct termios2`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Termios2 {
    pub termios: Termios,
    pub input_speed: u32,
    pub output_speed: u32,
}
unsafe impl Pod for Termios2 {}

/// `c_iflag`.
pub mod input {
    pub const ISTRIP: u32 = 0o40;
    pub const INLCR: u32 = 0o100;
    pub const IGNCR: u32 = 0o200;
    pub const ICRNL: u32 = 0o400;
    pub const IUCLC: u32 = 0o1000;
    pub const IXON: u32 = 0o2000;
    pub const IXANY: u32 = 0o4000;
    pub const IMAXBEL: u32 = 0o20000;
    pub const IUTF8: u32 = 0o40000;
    pub const PARMRK: u32 = 0o10;
}

/// `c_oflag`.
pub mod output {
    pub const OPOST: u32 = 1;
    pub const OLCUC: u32 = 2;
    pub const ONLCR: u32 = 4;
    pub const OCRNL: u32 = 8;
    pub const ONOCR: u32 = 0x10;
    pub const ONLRET: u32 = 0x20;
    pub const TABDLY: u32 = 0x1800;
    pub const XTABS: u32 = 0x1800;
}

/// `c_lflag`.
pub mod local {
    pub const ISIG: u32 = 1;
    pub const ICANON: u32 = 2;
    pub const ECHO: u32 = 0x8;
    pub const ECHOE: u32 = 0x10;
    pub const ECHOK: u32 = 0x20;
    pub const ECHONL: u32 = 0x40;
    pub const NOFLSH: u32 = 0x80;
    pub const TOSTOP: u32 = 0x100;
    pub const ECHOCTL: u32 = 0x200;
    pub const ECHOPRT: u32 = 0x400;
    pub const ECHOKE: u32 = 0x800;
    pub const IEXTEN: u32 = 0x8000;
    pub const EXTPROC: u32 = 0x1_0000;
}

/// Places in `c_cc`.
pub mod cc {
    pub const VINTR: usize = 0;
    pub const VQUIT: usize = 1;
    pub const VERASE: usize = 2;
    pub const VKILL: usize = 3;
    pub const VEOF: usize = 4;
    pub const VTIME: usize = 5;
    pub const VMIN: usize = 6;
    pub const VSTART: usize = 8;
    pub const VSTOP: usize = 9;
    pub const VSUSP: usize = 10;
    pub const VEOL: usize = 11;
    pub const VREPRINT: usize = 12;
    pub const VWERASE: usize = 14;
    pub const VLNEXT: usize = 15;
    pub const VEOL2: usize = 16;
}

/// A control character that is switched off: `_POSIX_VDISABLE`. In the buffer of a line it stands for the end of the file.
pub const DISABLED: u8 = 0;

/// B38400, CS8, CREAD.
const CONTROL: u32 = 0xbf;
/// 38400 baud.
const SPEED: u32 = 38400;

impl Termios {
    /// `tty_std_termios`, what a pseudo-terminal is set to when it is made.
    pub const STANDARD: Termios = Termios {
        input: input::ICRNL | input::IXON,
        output: output::OPOST | output::ONLCR,
        control: CONTROL,
        local: local::ISIG
            | local::ICANON
            | local::ECHO
            | local::ECHOE
            | local::ECHOK
            | local::ECHOCTL
            | local::ECHOKE
            | local::IEXTEN,
        line: 0,
        // ^C ^\ DEL ^U ^D, VTIME, VMIN, VSWTC, ^Q ^S ^Z, VEOL, ^R ^O ^W ^V, VEOL2
        cc: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
    };

    pub fn input(&self, flag: u32) -> bool {
        self.input & flag != 0
    }

    pub fn output(&self, flag: u32) -> bool {
        self.output & flag != 0
    }

    pub fn local(&self, flag: u32) -> bool {
        self.local & flag != 0
    }

    /// Whether a byte is the control character at this place.
    pub fn is(&self, byte: u8, place: usize) -> bool {
        byte != DISABLED && self.cc[place] == byte
    }

    /// Bytes that a read waits for, and tenths of a second, where lines are not put together.
    pub fn min_and_time(&self) -> (usize, u8) {
        (self.cc[cc::VMIN].into(), self.cc[cc::VTIME])
    }

    /// With speeds, which the settings' B38400 means.
    pub fn with_speeds(self) -> Termios2 {
        Termios2 { termios: self, input_speed: SPEED, output_speed: SPEED }
    }
}

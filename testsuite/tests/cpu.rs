//! `convert --cpu`: what a program finds that asks CPUID, the dynamic linker and `/proc/cpuinfo`.

use anyhow::Result;
use hoist_testsuite::compare::{Hoist, Image, Invocation, Lift, run_natively};

/// What the image's program `cpu` prints first: GCC's view of CPUID, and the version of a function that an ifunc resolver chose.
const PROGRAM: [(&str, &str); 2] = [
    ("v2", "sse4.2 popcnt ssse3 cmpxchg16b\nx86-64-v2\nifunc: default\n"),
    ("v3", "sse4.2 popcnt ssse3 cmpxchg16b avx avx2 fma bmi bmi2 lzcnt movbe f16c\nx86-64-v3\nifunc: 256-bit 8 8 8 8 8 8 8 8\n"),
];

fn invocation(command: &[&str]) -> Invocation {
    Invocation { argv: command.iter().map(|&text| text.to_owned()).collect(), ..Invocation::default() }
}

fn run(hoist: &Hoist, image: &Image, command: &[&str]) -> Result<String> {
    let component = hoist.convert(image, Lift::All)?;
    let outcome = hoist.run(image, &component, &invocation(command))?;
    anyhow::ensure!(outcome.status == 0, "{command:?}: {}", String::from_utf8_lossy(&outcome.stderr));
    Ok(String::from_utf8_lossy(&outcome.stdout).into_owned())
}

#[test]
fn guests_are_told_of_the_level_that_was_asked_for() -> Result<()> {
    let image = Image::build("cpu")?;
    for (cpu, expected) in PROGRAM {
        let hoist = Hoist::find()?.with_cpu(cpu);
        assert_eq!(run(&hoist, &image, &["/usr/local/bin/cpu"])?, expected, "{cpu}");
        let help = run(&hoist, &image, &["/lib64/ld-linux-x86-64.so.2", "--help"])?;
        let supports = |level: &str| help.lines().any(|line| line.contains(level) && line.contains("(supported, searched)"));
        let supported = ["x86-64-v2", "x86-64-v3", "x86-64-v4"].map(supports);
        assert_eq!(supported, [true, cpu == "v3", false], "{cpu}: {help}");
        let info = run(&hoist, &image, &["/bin/cat", "/proc/cpuinfo"])?;
        let flags: Vec<&str> =
            info.lines().find(|line| line.starts_with("flags")).unwrap_or_default().split_whitespace().collect();
        assert_eq!(
            ["sse4_2", "avx2", "bmi2", "avx512f"].map(|name| flags.contains(&name)),
            [true, cpu == "v3", cpu == "v3", false],
            "{info}"
        );
    }
    Ok(())
}

/// XSAVE's areas and signal frames, as the processor and Linux make them.
#[test]
fn extended_state_is_saved_as_the_processor_does() -> Result<()> {
    let image = Image::build("cpu")?;
    let state = invocation(&["/usr/local/bin/state"]);
    let native = run_natively(&image.rootfs, &state)?;
    let hoist = Hoist::find()?.with_cpu("v3");
    for lift in [Lift::All, Lift::None] {
        let hoisted = hoist.run(&image, &hoist.convert(&image, lift)?, &state)?;
        let difference = hoisted.difference(&native);
        anyhow::ensure!(difference.is_none(), "{lift:?}:\n{}", difference.unwrap_or_default());
    }
    Ok(())
}

//! A Rust program that shows its runtime at work: unwinding, collections, formatting, 128-bit integers, files.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read, Write};
use std::panic;

struct Dropped(&'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        println!("dropped {}", self.0);
    }
}

fn unwinding() {
    panic::set_hook(Box::new(|info| eprintln!("hook: {}", info.payload().downcast_ref::<&str>().unwrap_or(&"?"))));
    let result = panic::catch_unwind(|| {
        let _outer = Dropped("outer");
        let _inner = Dropped("inner");
        panic!("thrown");
    });
    println!("caught: {}", result.is_err());
    let lengths: Vec<_> = (0..4).map(|n| panic::catch_unwind(|| [1, 2, 3][std::hint::black_box(n)]).ok()).collect();
    println!("{lengths:?}");
}

fn words() {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        for word in line.expect("text").split_whitespace() {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    let sorted: BTreeMap<_, _> = counts.into_iter().collect();
    println!("{sorted:#?}");
}

fn numbers() {
    let factorial: u128 = (1..=34).product();
    println!("{factorial} {:?} {}", 7u128.checked_mul(u128::MAX), factorial / 1_000_000_007);
    println!("{:?} {:e} {:?} {}", 0.1 + 0.2, 1.0e300 * 10.0, f64::MIN_POSITIVE / 3.0, (2.0f64).powf(0.5));
    println!("{:?} {:?}", "1e-320".parse::<f64>(), "340282350000000000000000000000000000000".parse::<f32>());
    println!("{} {} {}", (300.7f32) as u8, (-5.0f64) as u32, f32::NAN as i32);
    println!("{:?}", (0..5).map(|n| (n as f64).sin().to_bits()).collect::<Vec<_>>());
}

fn files() -> std::io::Result<()> {
    let path = "/tmp/rust-test";
    std::fs::create_dir_all("/tmp/a/b/c")?;
    let mut file = std::fs::File::create(path)?;
    writeln!(file, "line one\nline two")?;
    drop(file);
    let mut text = String::new();
    std::fs::File::open(path)?.read_to_string(&mut text)?;
    std::fs::rename(path, "/tmp/a/b/c/moved")?;
    print!("{text}");
    println!("{:?} {:?}", std::fs::metadata(path).map_err(|error| error.to_string()), std::fs::metadata("/tmp/a/b/c/moved")?.len());
    std::fs::remove_dir_all("/tmp/a")
}

fn main() {
    for test in std::env::args().skip(1) {
        match test.as_str() {
            "hello" => println!("hello from Rust"),
            "unwinding" => unwinding(),
            "words" => words(),
            "numbers" => numbers(),
            "files" => files().expect("files"),
            "abort" => std::process::abort(),
            "exit" => std::process::exit(42),
            unknown => {
                eprintln!("no test {unknown}");
                std::process::exit(2);
            }
        }
    }
}

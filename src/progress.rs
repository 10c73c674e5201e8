//! What a conversion tells its user while it goes on, and how long its stages took.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hoist_oci::{Descriptor, Digest, Pushed};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::units::Bytes;

/// Progress on standard error: bars on a terminal, lines elsewhere.
pub struct Progress {
    /// `None` where standard error is no terminal.
    bars: Option<MultiProgress>,
    quiet: bool,
    layers: Mutex<Vec<(usize, ProgressBar)>>,
    /// All layers together.
    whole: Mutex<Option<Whole>>,
    timings: Mutex<Vec<(&'static str, Duration)>>,
}

impl Progress {
    /// `quiet`: nothing but warnings.
    pub fn new(quiet: bool) -> Progress {
        let bars = (!quiet && std::io::stderr().is_terminal()).then(MultiProgress::new);
        Progress { bars, quiet, layers: Mutex::default(), whole: Mutex::default(), timings: Mutex::default() }
    }

    /// Does a stage of the work, shown and timed.
    pub fn stage<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let spinner = self.spinner(name);
        let start = Instant::now();
        let result = work();
        // A panic elsewhere does not make the list of times wrong.
        self.timings.lock().unwrap_or_else(|poison| poison.into_inner()).push((name, start.elapsed()));
        spinner.finish_and_clear();
        result
    }

    /// Something that turns while work goes on, on a terminal.
    fn spinner(&self, message: impl Into<Cow<'static, str>>) -> ProgressBar {
        let Some(bars) = &self.bars else { return ProgressBar::hidden() };
        let spinner = bars.add(ProgressBar::new_spinner().with_message(message));
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }

    /// Does work that is timed, and announced only if it turns out to be long: when it calls what it is given.
    pub fn maybe_long<T>(&self, name: &'static str, announcement: &'static str, work: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
        let mut spinner = ProgressBar::hidden();
        let start = Instant::now();
        let result = work(&mut || {
            if self.bars.is_none() {
                self.line(announcement);
            }
            spinner = self.spinner(announcement);
        });
        self.timings.lock().unwrap_or_else(|poison| poison.into_inner()).push((name, start.elapsed()));
        spinner.finish_and_clear();
        result
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        match (&self.bars, self.quiet) {
            (_, true) => {}
            (Some(bars), false) => bars.suspend(|| eprintln!("{text}")),
            (None, false) => eprintln!("{text}"),
        }
    }

    /// Something that the user should know though the work goes on.
    pub fn warn(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| eprintln!("hoist: warning: {text}")),
            None => eprintln!("hoist: warning: {text}"),
        }
    }

    /// The stages and their times, one a line.
    pub fn timings(&self) -> String {
        let timings = self.timings.lock().unwrap_or_else(|poison| poison.into_inner());
        let mut text = String::new();
        let total: Duration = timings.iter().map(|(_, time)| *time).sum();
        for (name, time) in timings.iter().chain([&("total", total)]) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name:10} {:8.3} s", time.as_secs_f64());
        }
        text
    }
}

/// The bar of all layers.
struct Whole {
    bar: ProgressBar,
    layers: usize,
    done: usize,
}

impl Whole {
    fn message(&self) -> String {
        format!("{}/{} layers", self.done, self.layers)
    }
}

/// One layer's line, and the line of all of them, with the time that is left.
const LAYER: &str = "  layer {prefix:>3} {wide_bar} {bytes:>10} / {total_bytes:10}";
const WHOLE: &str = "  {msg:>9} {wide_bar} {bytes:>10} / {total_bytes:10} {bytes_per_sec:>12}, {eta} left";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere does not make bars wrong.
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

impl hoist_oci::Progress for Progress {
    fn image(&self, manifest_digest: &Digest, layers: &[Descriptor]) {
        let bytes = layers.iter().map(|layer| layer.size).sum();
        let layers = layers.len();
        self.line(&format!("{manifest_digest}: {layers} layer{}, {}", if layers == 1 { "" } else { "s" }, Bytes(bytes)));
        if let Some(bars) = &self.bars {
            let bar = bars.add(ProgressBar::new(bytes).with_style(style(WHOLE)));
            let whole = Whole { bar, layers, done: 0 };
            whole.bar.set_message(whole.message());
            *locked(&self.whole) = Some(whole);
        }
    }

    fn layer_started(&self, layer: usize, descriptor: &Descriptor) {
        if let Some(bars) = &self.bars {
            let bar = ProgressBar::new(descriptor.size).with_prefix(layer.to_string()).with_style(style(LAYER));
            locked(&self.layers).push((layer, bars.add(bar)));
        }
    }

    fn layer_bytes(&self, layer: usize, bytes: u64) {
        let layers = locked(&self.layers);
        if let Some((_, bar)) = layers.iter().find(|(number, _)| *number == layer) {
            bar.set_position(bytes);
            if let Some(whole) = &*locked(&self.whole) {
                whole.bar.set_position(layers.iter().map(|(_, bar)| bar.position()).sum());
            }
        }
    }

    fn layer_done(&self, layer: usize) {
        let layers = locked(&self.layers);
        if let Some((_, bar)) = layers.iter().find(|(number, _)| *number == layer) {
            bar.finish_and_clear();
        }
        if let Some(whole) = &mut *locked(&self.whole) {
            whole.done += 1;
            whole.bar.set_message(whole.message());
            if whole.done == whole.layers {
                whole.bar.finish_and_clear();
            }
        }
    }
}

impl hoist_oci::push::PushProgress for Progress {
    fn started(&self, size: u64) {
        if let Some(bars) = &self.bars {
            let bar = bars.add(ProgressBar::new(size).with_style(style(WHOLE)).with_message("push"));
            *locked(&self.whole) = Some(Whole { bar, layers: 1, done: 0 });
        }
    }

    fn bytes(&self, bytes: u64) {
        if let Some(whole) = &*locked(&self.whole) {
            whole.bar.set_position(bytes);
        }
    }

    fn done(&self, how: Pushed) {
        if let Some(whole) = locked(&self.whole).take() {
            whole.bar.finish_and_clear();
        }
        match how {
            Pushed::There => self.line("the registry has the component already"),
            Pushed::Mounted => self.line("the registry took the component from another repository"),
            Pushed::Sent => {}
        }
    }
}

//! Progress on stderr, when it is a terminal and `--quiet` was not said.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline::Progress;

/// A bar that acts report to.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// Makes a bar; it hides itself where stderr is no terminal.
    pub fn new(what: &'static str, quiet: bool) -> Self {
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template("{msg:24} {bar:30} {pos}/{len} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        // The time goes on where a step takes long.
        bar.enable_steady_tick(std::time::Duration::from_secs(1));
        Self(bar)
    }
}

impl Progress for Bar {
    fn stage(&self, name: &str, steps: u64) {
        self.0.set_message(name.to_owned());
        self.0.set_length(steps);
        self.0.set_position(0);
    }

    fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

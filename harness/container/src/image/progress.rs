//! Says what is going on: a spinner on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The reporter of a build. It writes to stderr; the caller prints the results.
#[derive(Debug)]
pub struct Progress {
    spinner: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// A spinner when stderr is a terminal, lines when it is not.
    #[must_use]
    pub fn new() -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed:.dim}") {
                bar.set_style(style);
            }
            bar
        });
        Self { spinner, quiet: false }
    }

    /// Says nothing at all.
    #[must_use]
    pub const fn silent() -> Self {
        Self { spinner: None, quiet: true }
    }

    /// A line that stays.
    pub fn line(&self, text: impl AsRef<str>) {
        match &self.spinner {
            Some(bar) => bar.suspend(|| eprintln!("{}", text.as_ref())),
            None if self.quiet => {}
            None => eprintln!("{}", text.as_ref()),
        }
    }

    /// Something that takes a while begins: the spinner names it, or a line does.
    #[must_use]
    pub fn step(&self, text: impl Into<String>) -> Step<'_> {
        let text = text.into();
        match &self.spinner {
            Some(bar) => {
                bar.reset_elapsed();
                bar.set_message(text.clone());
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            None => self.line(format!("{text} …")),
        }
        Step { progress: self, text, started: Instant::now() }
    }

    /// Sets the text of the spinner. Without a spinner it does nothing.
    pub fn detail(&self, text: impl Into<String>) {
        if let Some(bar) = &self.spinner {
            bar.set_message(text.into());
        }
    }

    /// Hands the terminal to a child that draws its own progress.
    pub fn pause(&self) {
        if let Some(bar) = &self.spinner {
            bar.disable_steady_tick();
            bar.set_message("");
            bar.finish_and_clear();
            bar.reset();
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
    }
}

/// A step that is going on; it ends when this is dropped, or with a line by [`Step::done`].
#[derive(Debug)]
pub struct Step<'a> {
    progress: &'a Progress,
    text: String,
    started: Instant,
}

impl Step<'_> {
    /// The step succeeded: one line with the time it took.
    pub fn done(self) {
        self.progress.line(format!("{}: {}", self.text, seconds(self.started.elapsed())));
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.progress.pause();
    }
}

/// A duration as a person reads it.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

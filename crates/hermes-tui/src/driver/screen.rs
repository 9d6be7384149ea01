//! The terminal as a screen: raw mode, the alternate screen, pastes as one block, the mouse wheel. However the process ends, the terminal
//! gets its own state back: at the end, on a panic, and on signals, which end the event loop.

use std::io::{self, Stdout, Write as _};
use std::panic;
use std::pin::Pin;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event, EventStream,
};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use futures_core::Stream as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::draw::draw;
use crate::state::App;

/// The terminal is a screen now.
static IS_SCREEN: AtomicBool = AtomicBool::new(false);
static PANIC_HOOK: Once = Once::new();

/// The screen. Its end gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Makes the terminal a screen.
    pub(super) fn enter() -> io::Result<Self> {
        PANIC_HOOK.call_once(|| {
            let others = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                give_back();
                others(panic);
            }));
        });
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| give_back())?;
        Ok(Self { terminal })
    }

    /// Gives the terminal back for a while.
    #[expect(clippy::unused_self, reason = "only the owner of the screen may give it back")]
    pub(super) fn leave(&mut self) {
        give_back();
    }

    /// Takes the terminal again.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        take()?;
        // A new one knows that the screen is empty. The old one would ask the terminal for its cursor, which may not answer.
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }

    pub(super) fn draw(&mut self, app: &mut App, now: Instant) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame, app, now)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    IS_SCREEN.store(true, Ordering::SeqCst);
    let entered = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableMouseCapture);
    entered.inspect_err(|_| give_back())
}

/// Gives the terminal its own state back. A terminal that is gone needs none.
fn give_back() {
    if IS_SCREEN.swap(false, Ordering::SeqCst) {
        let mut stdout = io::stdout();
        let _ = execute!(stdout, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = stdout.flush();
        let _ = disable_raw_mode();
    }
}

/// The keys, pastes and sizes of the terminal.
pub(super) struct Keys {
    /// `None` while another program reads the terminal.
    stream: Option<EventStream>,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { stream: None }
    }

    /// Returns the next event; `None` at the end of the terminal.
    pub(super) async fn next(&mut self) -> Option<io::Result<Event>> {
        let stream = self.stream.get_or_insert_with(EventStream::new);
        std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
    }

    /// Stops to read the terminal. The next [`next`](Self::next) begins again.
    pub(super) fn stop(&mut self) {
        self.stream = None;
    }
}

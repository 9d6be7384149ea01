//! A real browser, for what a person does with a page: Debian's `chromium`, without a window, driven through
//! `chromedriver` (WebDriver) by the library `thirtyfour`.
//!
//! ```no_run
//! use browser_harness::{Browser, Result};
//! use container_harness::docker_test;
//!
//! #[docker_test]
//! async fn an_agent_is_started_with_the_keyboard_on_a_small_screen() -> Result<()> {
//!     let browser = Browser::builder().viewport(360, 740).dark().start().await?;
//!     browser.goto("http://127.0.0.1:8080/").await?;
//!     browser.fill("#password", "secret").await?;
//!     browser.press("Tab Enter").await?;
//!     browser.wait_for_text("coder is running").await?;
//!     browser.expect_accessible().await?;
//!     browser.expect_quiet_console().await?;
//!     Ok(())
//! }
//! ```
//!
//! Where there is no chromium, the test is reported as ignored, with the reason; `PREFIX_NEED_BROWSER=1` makes that a
//! failure ([`PREFIX`](container_harness::Product::variables) is the product's). Tests of one process have browsers two at a time; the others wait for their turn.
//!
//! What acts on an element ([`click`](Browser::click), [`fill`](Browser::fill), [`text`](Browser::text)) waits
//! until a person could: until it is there, visible and not covered. A time-out says what the page showed.
//!
//! When a test fails, `target/docker-test/<test>/` has the page of each of its browsers (`browser.png`, `.html`, `.txt`
//! and `.console`), and each [`screenshot`](Browser::screenshot) that it took. `PREFIX_KEEP=1` keeps the screenshots of a
//! test that passed, too. The browser itself is always ended: on drop, on a panic, and when the test's process is killed.

mod builder;
mod checks;
mod console;
mod driver;
mod error;
mod keys;
mod page;
mod programs;
mod remains;
mod seen;
mod steady_network;
mod turns;
mod visitor;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use thirtyfour::session::handle::SessionHandle;

pub use builder::BrowserBuilder;
pub use checks::{Fault, Finding};
pub use console::ConsoleLine;
pub use error::{Error, Result};
pub use visitor::{Tab, Within};

use container_harness::suite::Scope;
use error::failed;
use remains::Remains;
use seen::Seen;

/// A browser with one page. Dropping it ends it; in a test that fails, after its evidence was taken.
#[derive(Debug)]
pub struct Browser {
    /// There until the drop.
    remains: Option<Remains>,
    scope: Option<Arc<Scope>>,
    /// How long whatever waits for something on a page does so.
    patience: Duration,
    /// The visitor wants nothing to move.
    reduced_motion: bool,
}

impl Browser {
    /// Starts one of 1280 × 800, light, with JavaScript.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// One to be described further.
    pub fn builder() -> BrowserBuilder {
        BrowserBuilder::new()
    }

    /// Opens a page, and waits until it has loaded.
    pub async fn goto(&self, url: &str) -> Result<()> {
        self.session().goto(url).await.map_err(failed(format!("open {url}")))
    }

    /// Loads the page again.
    pub async fn reload(&self) -> Result<()> {
        self.session().refresh().await.map_err(failed("load the page again"))
    }

    /// Returns the URL of the page.
    pub async fn url(&self) -> Result<String> {
        Ok(self.seen().await?.url)
    }

    /// Runs a script in the page, as the body of a function; what it returns. Neither the page's policy nor a browser
    /// [without JavaScript](BrowserBuilder::without_javascript) is in its way.
    pub async fn execute(&self, script: &str) -> Result<Value> {
        self.evaluate(script).await
    }

    /// As [`execute`](Self::execute), and what it returns is of a type: `evaluate::<u32>("return scrollY")`.
    pub async fn evaluate<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        let answer = self.session().execute(script, Vec::new()).await;
        answer.and_then(|answer| answer.convert()).map_err(failed(format!("run the script {script:.200}")))
    }

    /// The whole page as PNG, below the window's edge, too. When the test fails, it is `NAME.png` in its evidence.
    pub async fn screenshot(&self, name: &str) -> Result<Vec<u8>> {
        let png = self.remains().screenshot().await.map_err(failed(format!("take the picture {name}")))?;
        if let Some(scope) = &self.scope {
            scope.remember_picture(name, png.clone());
        }
        Ok(png)
    }

    /// Returns the folder of all files of the browser. It goes with the browser.
    pub fn folder(&self) -> &Path {
        self.remains().driver().map_or(Path::new(""), |driver| driver.folder())
    }

    async fn seen(&self) -> Result<Seen> {
        Seen::of(self.session()).await.map_err(failed("look at the page"))
    }

    fn session(&self) -> &Arc<SessionHandle> {
        &self.remains().session
    }

    #[expect(clippy::expect_used, reason = "it is taken in drop() alone")]
    fn remains(&self) -> &Remains {
        self.remains.as_ref().expect("a browser that was not dropped")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let Some(remains) = self.remains.take() else { return };
        match &self.scope {
            Some(scope) => scope.let_go_witness(Box::new(remains)),
            None => drop(remains),
        }
    }
}

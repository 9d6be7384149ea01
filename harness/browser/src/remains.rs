//! A browser without its handle: what of it has to end, and what a failed test is asked about it.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use container_harness::evidence::write;
use container_harness::secs;
use container_harness::suite::Witness;
use serde_json::{Value, json};
use thirtyfour::WebDriver;
use thirtyfour::error::{WebDriverError, WebDriverResult};

use super::console::Console;
use super::driver::Driver;
use super::seen::Seen;
use super::turns::Turn;

/// How long each question to a browser may take whose test has failed: its page may hang.
const PATIENCE: Duration = secs(8);

/// The session, the processes behind it, and what they said.
#[derive(Debug)]
pub(super) struct Remains {
    pub(super) session: WebDriver,
    pub(super) console: Console,
    driver: Option<Driver>,
    /// Given back when all is gone.
    _turn: Arc<Turn>,
}

impl Remains {
    pub(super) fn new(session: WebDriver, driver: Driver, turn: Arc<Turn>) -> Self {
        Self { session, console: Console::default(), driver: Some(driver), _turn: turn }
    }

    pub(super) fn driver(&self) -> Option<&Driver> {
        self.driver.as_ref()
    }

    /// Writes the page: `browser.png`, `.html`, `.txt` and `.console`. `name` is `browser`, or one with a number. The
    /// file of a part that fails says why.
    async fn report(&self, folder: &Path, name: &str) {
        let seen = asked(Seen::of(&self.session)).await.map(|seen| seen.to_string());
        write(folder, &format!("{name}.txt"), either(seen));
        let lines = asked(self.console.read(&self.session)).await;
        let lines = lines.map(|lines| lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        write(folder, &format!("{name}.console"), either(lines));
        write(folder, &format!("{name}.html"), either(asked(self.session.source()).await));
        match asked(self.screenshot()).await {
            Ok(png) => write(folder, &format!("{name}.png"), png),
            Err(why) => write(folder, &format!("{name}.png.txt"), why),
        }
    }

    /// The whole page as PNG, below its window's edge, too.
    pub(super) async fn screenshot(&self) -> WebDriverResult<Vec<u8>> {
        let cdp = self.session.cdp();
        let metrics = cdp.send_raw("Page.getLayoutMetrics", json!({})).await?;
        let side = |name: &str| metrics["cssContentSize"][name].as_f64().unwrap_or(1.0).max(1.0);
        let clip = json!({ "x": 0, "y": 0, "width": side("width"), "height": side("height"), "scale": 1 });
        let options = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = cdp.send_raw("Page.captureScreenshot", options).await?;
        let data = answer.get("data").and_then(Value::as_str).unwrap_or_default();
        STANDARD.decode(data).map_err(|error| WebDriverError::ParseError(error.to_string()))
    }
}

impl Witness for Remains {
    fn kind(&self) -> &'static str {
        "browser"
    }

    fn examine<'w>(&'w self, folder: &'w Path, name: &'w str) -> Pin<Box<dyn Future<Output = ()> + 'w>> {
        Box::pin(self.report(folder, name))
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        // First, and by force: asking the session to end takes longer, and may hang with its page.
        drop(self.driver.take());
        // The driver has ended, so the library must not ask it. This tells one handle for all of them.
        let _ = self.session.clone().leak();
    }
}

async fn asked<T>(question: impl Future<Output = WebDriverResult<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the browser did not answer".to_owned()),
    }
}

fn either(answer: Result<String, String>) -> String {
    answer.unwrap_or_else(|why| format!("not to be had: {why}"))
}

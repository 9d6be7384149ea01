//! Describes a browser and starts it.

use std::time::Duration;

use container_harness::secs;
use container_harness::suite::Scope;
use serde_json::{Map, Value, json};
use thirtyfour::{Capabilities, WebDriver};

use super::Browser;
use super::driver::Driver;
use super::programs::Programs;
use super::remains::Remains;
use super::turns::Turn;
use crate::error::{Result, failed};

/// How long one command to the driver may take, a page's load included.
const COMMAND: Duration = secs(40);

/// A browser, to be described further; then [`start`](Self::start).
#[derive(Debug, Clone)]
#[must_use = "it starts nothing by itself"]
pub struct BrowserBuilder {
    viewport: (u32, u32),
    dark: bool,
    reduced_motion: bool,
    javascript: bool,
    patience: Duration,
}

impl BrowserBuilder {
    pub(super) fn new() -> Self {
        Self {
            viewport: (1280, 800),
            dark: false,
            reduced_motion: false,
            javascript: true,
            patience: secs(15),
        }
    }

    /// The size of the page's window in CSS pixels, exactly [default: 1280 × 800].
    pub fn viewport(mut self, width: u32, height: u32) -> Self {
        self.viewport = (width, height);
        self
    }

    /// A reader who prefers dark colours (`prefers-color-scheme`) [default: light].
    pub fn dark(mut self) -> Self {
        self.dark = true;
        self
    }

    /// A reader who wants nothing to move (`prefers-reduced-motion`): for a look at colours that fade in.
    pub fn reduced_motion(mut self) -> Self {
        self.reduced_motion = true;
        self
    }

    /// The page's scripts do not run. The test's own, [`Browser::execute`], do.
    pub fn without_javascript(mut self) -> Self {
        self.javascript = false;
        self
    }

    /// How long whatever waits for something on a page does so [default: 15 s].
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts it. Where there is no chromium or no chromedriver, the error says that the test
    /// [cannot run here](container_harness::suite::not_run); with `PREFIX_NEED_BROWSER=1` it is a failure.
    pub async fn start(self) -> Result<Browser> {
        let programs = Programs::find()?;
        let scope = Scope::current();
        let turn = Turn::take(scope.as_deref()).await;
        let driver = Driver::start(&programs).await?;
        // It fails if the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = WebDriver::builder(driver.url(), self.capabilities(&programs, &driver));
        let session = builder.request_timeout(COMMAND).connect().await;
        let session = session.map_err(failed("start a browser"))?;
        let remains = Remains::new(session, driver, turn);
        // From here on it is ended by its owner, whatever fails.
        let browser = Browser {
            remains: Some(remains),
            scope,
            patience: self.patience,
            reduced_motion: self.reduced_motion,
        };
        for (command, arguments) in self.emulation() {
            let sent = browser.remains().session.cdp().send_raw(command, arguments).await;
            sent.map_err(failed(format!("tell the browser {command}")))?;
        }
        Ok(browser)
    }

    fn capabilities(&self, programs: &Programs, driver: &Driver) -> Capabilities {
        let (width, height) = self.viewport;
        let profile = driver.folder().join("profile");
        let mut arguments =
            vec![format!("--user-data-dir={}", profile.display()), format!("--window-size={width},{height}")];
        // No sandbox: in a container, and as root, there is none to be had, and only pages of tests are opened.
        // No crash reporter: it would be a process outside of the group.
        arguments.extend(
            [
                "--headless=new",
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--disable-crash-reporter",
                "--disable-breakpad",
                "--no-first-run",
                // One that is there or not, by the platform, makes a page narrower than its window.
                "--hide-scrollbars",
            ]
            .map(str::to_owned),
        );
        let mut preferences = json!({});
        if !self.javascript {
            preferences = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let options = json!({ "binary": programs.browser, "args": arguments, "prefs": preferences });
        let mut capabilities = Map::new();
        capabilities.insert("browserName".to_owned(), "chrome".into());
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
        // A dialog of `alert()` stays open for the test.
        capabilities.insert("unhandledPromptBehavior".to_owned(), "ignore".into());
        Capabilities::from(capabilities)
    }

    /// DevTools' commands: <https://chromedevtools.github.io/devtools-protocol/tot/Emulation/>.
    fn emulation(&self) -> [(&'static str, Value); 2] {
        let (width, height) = self.viewport;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let preferences = preferences(self.dark, self.reduced_motion);
        [("Emulation.setDeviceMetricsOverride", size), ("Emulation.setEmulatedMedia", preferences)]
    }
}

/// Returns the arguments of `Emulation.setEmulatedMedia`, which replaces all earlier preferences.
pub(crate) fn preferences(dark: bool, reduced_motion: bool) -> Value {
    let scheme = if dark { "dark" } else { "light" };
    let motion = if reduced_motion { "reduce" } else { "no-preference" };
    json!({ "features": [
        { "name": "prefers-color-scheme", "value": scheme },
        { "name": "prefers-reduced-motion", "value": motion },
    ] })
}

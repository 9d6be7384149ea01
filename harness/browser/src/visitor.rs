//! Changes that a visitor makes while a page is open: the window's size, their liking for dark colours, the tab.

use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::WindowHandle;

use super::Browser;
use crate::builder::preferences;
use crate::error::{Result, failed};

/// A tab of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tab(WindowHandle);

/// A browser whose pages have another time for what is waited for.
#[derive(Debug)]
pub struct Within<'b> {
    browser: &'b Browser,
    patience: Duration,
}

impl Browser {
    /// The same browser, but whatever is waited for has so long to come.
    pub fn within(&self, patience: Duration) -> Within<'_> {
        Within { browser: self, patience }
    }

    /// Goes back, as the button of the browser does.
    pub async fn back(&self) -> Result<()> {
        self.session().back().await.map_err(failed("go back"))
    }

    /// Gives the page another size, in CSS pixels.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.emulate("Emulation.setDeviceMetricsOverride", size).await
    }

    /// Makes the visitor one who prefers dark colours, or light ones.
    pub async fn prefer_dark(&self, dark: bool) -> Result<()> {
        let media = preferences(dark, self.reduced_motion);
        self.emulate("Emulation.setEmulatedMedia", media).await
    }

    /// Opens another tab of the same visitor, and shows it.
    pub async fn open_tab(&self) -> Result<Tab> {
        let tab = Tab(self.session().new_tab().await.map_err(failed("open a tab"))?);
        self.show_tab(&tab).await?;
        Ok(tab)
    }

    /// The tab that is shown.
    pub async fn tab(&self) -> Result<Tab> {
        self.session().window().await.map(Tab).map_err(failed("name the tab"))
    }

    /// Shows a tab; all else happens in that one then.
    pub async fn show_tab(&self, tab: &Tab) -> Result<()> {
        self.session().switch_to_window(tab.0.clone()).await.map_err(failed("show a tab"))?;
        self.emulate("Page.bringToFront", json!({})).await
    }

    /// Runs a script in each page that the shown tab loads from now on, before the page's own scripts.
    pub async fn add_script(&self, source: &str) -> Result<()> {
        self.emulate("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await
    }

    async fn emulate(&self, command: &'static str, arguments: Value) -> Result<()> {
        let sent = self.remains().session.cdp().send_raw(command, arguments).await;
        sent.map(drop).map_err(failed(format!("tell the browser {command}")))
    }
}

impl Within<'_> {
    /// Waits until an element of a CSS selector is visible.
    pub async fn wait_for(&self, css: &str) -> Result<()> {
        self.browser.visible(css, self.patience).await
    }

    /// Waits until a script, the body of a function, returns `true`; `what` names it.
    pub async fn wait_for_script(&self, what: &str, script: &str) -> Result<()> {
        self.browser.says_true(what, script, self.patience).await
    }
}

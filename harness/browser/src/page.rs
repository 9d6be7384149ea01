//! The actions of a person on a page: looks, clicks, types, waits.

use std::time::Duration;

use container_harness::error::chain;
use container_harness::{Error as HarnessError, Look, Looked, secs, wait_until};
use serde_json::Value;
use thirtyfour::WebElement;
use thirtyfour::error::{WebDriverError, WebDriverErrorInner, WebDriverResult};

use super::Browser;
use super::checks::LIBRARY;
use super::keys::strokes;
use crate::error::{Error, Result, failed};

/// How long a time-out asks the page what it shows: it may hang.
const LAST_LOOK: Duration = secs(10);

/// Describes an element. Its text is asked for here: WebDriver's own idea of it leaves `noscript` out. So is what hinders
/// a click: chromedriver would try a covered element for seconds, and then not say by what.
const FOUND: &str = r#"
function cover(element) {
  for (const block of ['nearest', 'center']) {
    element.scrollIntoView({ block, inline: 'nearest', behavior: 'instant' });
    const box = element.getClientRects()[0];
    const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    if (!hit || element.contains(hit)) return '';
    if (block === 'center') return `${describe(hit)} covers it`;
  }
}
const foundOne = (element) => ({
  element,
  text: (element.innerText ?? element.textContent).trim(),
  hindrance: element.matches(':disabled') ? 'it is disabled' : arguments[1] ? cover(element) : '',
});
"#;

/// The first visible element of a selector, or why there is none.
const FIND: &str = r#"
const all = [...document.querySelectorAll(arguments[0])];
const found = all.filter(isVisible);
if (found.length) return foundOne(found[0]);
return { why: all.length ? `${describe(all[0])} is not visible` : `nothing is ${arguments[0]}` };
"#;

/// The one visible control that says a text, or why there is none.
const FIND_BY_TEXT: &str = r#"
const controls = 'a, button, summary, label, input[type=submit], input[type=button], input[type=reset], ' +
  ['button', 'link', 'tab', 'menuitem', 'option', 'checkbox', 'radio', 'switch'].map((r) => `[role=${r}]`).join(', ');
const all = [...document.querySelectorAll(controls)].filter(isVisible);
const saying = all.filter((e) => nameOf(e) === arguments[0] || squeeze(e.innerText) === arguments[0]);
// Beside a button or a link that says the same, the label of a field is not what is meant.
const beside = saying.filter((e) => !e.matches('label'));
const found = beside.length ? beside : saying;
if (found.length === 1) return foundOne(found[0]);
if (found.length > 1) return { why: `${found.length} say it: ${found.map(describe).join(', ')}` };
return { why: `what can be clicked is: ${all.map(describe).join(', ') || 'nothing'}` };
"#;

impl Browser {
    /// Clicks the first visible element of a CSS selector, as soon as it can be clicked.
    pub async fn click(&self, css: &str) -> Result<()> {
        self.click_found(&format!("{css} to click"), FIND, css).await
    }

    /// Clicks the one button, link, tab or label that says exactly `text`.
    pub async fn click_text(&self, text: &str) -> Result<()> {
        self.click_found(&format!("{text:?} to click"), FIND_BY_TEXT, text).await
    }

    /// Types text into a field, in place of what is in it.
    pub async fn fill(&self, css: &str, text: &str) -> Result<()> {
        let fill = async |element: WebElement| {
            element.clear().await?;
            element.send_keys(text).await
        };
        self.act(&format!("{css} to fill"), FIND, css, false, fill).await
    }

    /// Types text into a field, behind what is in it already.
    pub async fn type_into(&self, css: &str, text: &str) -> Result<()> {
        self.act(&format!("{css} to type into"), FIND, css, false, async |element| {
            element.send_keys(text).await
        })
        .await
    }

    /// Empties a field.
    pub async fn clear(&self, css: &str) -> Result<()> {
        self.act(&format!("{css} to empty"), FIND, css, false, async |element| element.clear().await).await
    }

    /// The visible text of the first visible element of a CSS selector, as soon as there is one.
    pub async fn text(&self, css: &str) -> Result<String> {
        let look = async || {
            let found = self.find(FIND, css, false).await;
            Ok(match found? {
                Ok(found) => Look::Value(found.text),
                Err(why) => Look::NotYet(why),
            })
        };
        self.waited(wait_until(format!("{css} to read"), look, self.patience).await).await
    }

    /// Presses keys on whatever has the focus, by their names: `press("Tab Tab Enter")`, `press("Shift+Tab")`, `press("a")`.
    ///
    /// `Tab`, `Enter`, `Escape`, `Space`, `Backspace`, `Delete`, `Home`, `End`, `PageUp`, `PageDown`, `Left`, `Right`, `Up`,
    /// `Down`, single letters; with `Shift+`, `Control+`, `Alt+`, `Meta+`.
    pub async fn press(&self, keys: &str) -> Result<()> {
        let strokes = strokes(keys).map_err(|word| HarnessError::Parse {
            what: "keys to press".to_owned(),
            why: format!("{word:?} is none"),
            text: keys.to_owned(),
        })?;
        for stroke in strokes {
            let mut chain = self.session().action_chain_with_delay(None, Some(Duration::ZERO));
            for held in &stroke.held {
                chain = chain.key_down(*held);
            }
            chain = chain.key_down(stroke.key).key_up(stroke.key);
            for held in stroke.held.iter().rev() {
                chain = chain.key_up(*held);
            }
            chain.perform().await.map_err(failed(format!("press {keys}")))?;
        }
        Ok(())
    }

    /// Returns the element with the focus: `button#save "Save"`, or `body` for nothing.
    pub async fn focused(&self) -> Result<String> {
        self.evaluate(&format!("{LIBRARY}\nreturn describe(document.activeElement);")).await
    }

    /// Waits until an element of a CSS selector is visible.
    pub async fn wait_for(&self, css: &str) -> Result<()> {
        self.visible(css, self.patience).await
    }

    pub(super) async fn visible(&self, css: &str, patience: Duration) -> Result<()> {
        let look = async || {
            let found = self.find(FIND, css, false).await?;
            Ok(found.map_or_else(Look::NotYet, |_| Look::Value(())))
        };
        self.waited(wait_until(format!("{css} to be seen"), look, patience).await).await
    }

    /// Waits until the page's visible text has `text` in it.
    pub async fn wait_for_text(&self, text: &str) -> Result<()> {
        let holds = async |browser: &Browser| {
            let seen = browser.seen().await?;
            Ok(Look::holds(seen.text.contains(text), || "it is not there".to_owned()))
        };
        self.wait_until(format!("the text {text:?}"), holds, self.patience).await
    }

    /// Waits until a script, the body of a function, returns `true`; `what` names it.
    pub async fn wait_for_script(&self, what: &str, script: &str) -> Result<()> {
        self.says_true(what, script, self.patience).await
    }

    pub(super) async fn says_true(&self, what: &str, script: &str, patience: Duration) -> Result<()> {
        let holds = async |browser: &Browser| {
            let value = browser.execute(script).await?;
            Ok(Look::holds(value == Value::Bool(true), || value.to_string()))
        };
        self.wait_until(what, holds, patience).await
    }

    /// Waits until `probe` has a value; `what` names it. The time-out says what the probe saw last, and what the page
    /// shows. A probe that fails because the page is changing under it is asked again.
    pub async fn wait_until<T>(
        &self,
        what: impl Into<String>,
        probe: impl AsyncFn(&Browser) -> Looked<T>,
        deadline: Duration,
    ) -> Result<T> {
        let look = async || match probe(self).await {
            Err(error) => match error.downcast_ref::<Error>() {
                Some(Error::Browser { source, .. }) if passes(source) => Ok(Look::NotYet(source.to_string())),
                _ => Err(error),
            },
            look => look,
        };
        self.waited(wait_until(what, look, deadline).await).await
    }

    async fn click_found(&self, what: &str, script: &str, argument: &str) -> Result<()> {
        self.act(what, script, argument, true, async |element| element.click().await).await
    }

    /// Does something with an element, as soon as there is one with which it can be done.
    async fn act(
        &self,
        what: &str,
        script: &str,
        argument: &str,
        clicks: bool,
        action: impl AsyncFn(WebElement) -> WebDriverResult<()>,
    ) -> Result<()> {
        let look = async || {
            let found = self.find(script, argument, clicks).await;
            Ok(match found? {
                Ok(found) if !found.hindrance.is_empty() => Look::NotYet(found.hindrance),
                Ok(found) => passing(action(found.element).await)?,
                Err(why) => Look::NotYet(why),
            })
        };
        self.waited(wait_until(what, look, self.patience).await).await
    }

    /// The element that a script finds, or why there is none.
    async fn find(
        &self,
        script: &str,
        argument: &str,
        clicks: bool,
    ) -> WebDriverResult<Result<Found, String>> {
        let script = format!("{LIBRARY}{FOUND}{script}");
        let mut found = match self.session().execute(script, vec![argument.into(), clicks.into()]).await {
            Ok(answer) => answer.json().clone(),
            Err(error) if passes(&error) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        };
        if let Some(why) = found["why"].as_str() {
            return Ok(Err(why.to_owned()));
        }
        let element = WebElement::from_json(found["element"].take(), self.session().clone())?;
        let word = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Ok(Ok(Found { element, text: word("text"), hindrance: word("hindrance") }))
    }

    /// Adds to a time-out what the page shows.
    async fn waited<T>(&self, waited: Result<T, HarnessError>) -> Result<T> {
        let Err(HarnessError::Deadline { waiting_for, after, last_seen }) = waited else {
            return Ok(waited?);
        };
        let page = match tokio::time::timeout(LAST_LOOK, self.seen()).await {
            Ok(Ok(seen)) => seen.to_string(),
            Ok(Err(error)) => chain(&error),
            Err(_) => "a browser that does not answer".to_owned(),
        };
        let last_seen = format!("{last_seen}\non the page {page}");
        Err(HarnessError::Deadline { waiting_for, after, last_seen }.into())
    }
}

/// An element that a person sees.
struct Found {
    element: WebElement,
    text: String,
    /// Why nobody can use it; empty when somebody can.
    hindrance: String,
}

/// A failure that passes is "not yet"; every other one is told.
fn passing<T>(done: WebDriverResult<T>) -> WebDriverResult<Look<T>> {
    match done {
        Ok(value) => Ok(Look::Value(value)),
        Err(error) if passes(&error) => Ok(Look::NotYet(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Returns whether an error comes from a page that is changing: the element went, is covered, or the page is being replaced.
fn passes(error: &WebDriverError) -> bool {
    match error.as_inner() {
        WebDriverErrorInner::StaleElementReference(_)
        | WebDriverErrorInner::ElementClickIntercepted(_)
        | WebDriverErrorInner::ElementNotInteractable(_)
        | WebDriverErrorInner::NoSuchElement(_) => true,
        // chromedriver's words for a page that goes while it is asked.
        WebDriverErrorInner::JavascriptError(told) | WebDriverErrorInner::UnknownError(told) => {
            let message = &told.value.message;
            [
                "document unloaded",
                "execution context",
                "aborted by navigation",
                "does not belong to the document",
            ]
            .iter()
            .any(|words| message.contains(words))
        }
        _ => false,
    }
}

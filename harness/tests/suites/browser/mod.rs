//! The harness's browser: the behaviour that the suites rely on. The pages are the tests' own.
//! No container is needed.

mod accessibility;
mod end;
mod server;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hermes_harness::browser::Error as BrowserError;
use hermes_harness::{Browser, Error, Look, Network, docker_test, secs};

pub(crate) use server::Server;

/// A page without faults, with a few controls.
const GOOD: &str = r##"<!doctype html><html lang="en"><head><title>Agents</title>
<meta name="viewport" content="width=device-width"><style>
  :root { color-scheme: light dark } body { font: 16px sans-serif; margin: 1rem }
  .quiet { color: #595959 } @media (prefers-color-scheme: dark) { .quiet { color: #aaa } }
  .sr { position: absolute; width: 1px; height: 1px; overflow: hidden; color: #eee }
  .tall { height: 1500px }
</style></head><body>
<h1>Agents</h1><p class="quiet">None so far</p><span class="sr">for screen readers</span>
<form><label for="name">Name</label> <input id="name" placeholder="coder">
<button id="add" type="button">Add</button> <button type="button" disabled>Remove all</button></form>
<button id="later" type="button">Later</button> <a href="#end"><img alt="To the end" src="/x.png"></a>
<ul id="list" aria-live="polite"></ul><div class="tall"></div><p id="end">The end</p>
<script>
  const add = (text) => { const li = document.createElement('li'); li.textContent = text; list.append(li); };
  document.getElementById('add').onclick = () => add('added ' + document.getElementById('name').value);
  later.onclick = () => setTimeout(() => add('it came later'), 300);
  addEventListener('keydown', (event) => { if (event.key === 'Escape') add('escaped'); });
</script></body></html>"##;

/// Opens a page. The server has to live as long as the browser looks at it.
async fn open_page(page: &str) -> Result<(Server, Browser)> {
    let server = Server::start(page).await?;
    let browser = Browser::start().await?;
    browser.goto(&server.url()).await?;
    Ok((server, browser))
}

#[docker_test]
async fn a_person_types_clicks_and_waits() -> Result<()> {
    let (_server, browser) = open_page(GOOD).await?;
    browser.type_into("#name", "cod").await?;
    browser.type_into("#name", "er").await?;
    browser.click_text("Add").await?;
    ensure!(browser.text("#list li").await? == "added coder");
    browser.fill("#name", "writer").await?;
    browser.click("#add").await?;
    ensure!(browser.text("#list li:nth-child(2)").await? == "added writer");
    browser.click("#later").await?;
    browser.wait_for_text("it came later").await?;
    browser.wait_for("#list li:nth-child(3)").await?;
    let count = async |browser: &Browser| {
        let items: usize = browser.evaluate("return document.querySelectorAll('li').length").await?;
        Ok(Look::from_option((items == 3).then_some(items), || format!("{items} items")))
    };
    browser.wait_for_script("three items", "return document.querySelectorAll('li').length === 3").await?;
    ensure!(browser.wait_until("three items", count, secs(5)).await? == 3);
    browser.clear("#name").await?;
    ensure!(browser.execute("return document.getElementById('name').value").await? == "");
    browser.reload().await?;
    ensure!(browser.text("body").await?.starts_with("Agents\n"));
    ensure!(browser.url().await?.ends_with('/'));
    Ok(())
}

#[docker_test]
async fn a_page_is_used_with_the_keyboard_alone() -> Result<()> {
    let (_server, browser) = open_page(GOOD).await?;
    ensure!(browser.focused().await? == "body");
    browser.press("Tab c o d e r Tab").await?;
    ensure!(browser.focused().await? == "button#add \"Add\"", "{}", browser.focused().await?);
    browser.press("Enter").await?;
    ensure!(browser.text("#list").await? == "added coder");
    browser.press("Space Escape").await?;
    ensure!(browser.text("#list").await? == "added coder\nadded coder\nescaped");
    browser.press("Shift+Tab").await?;
    ensure!(browser.focused().await? == "input#name \"Name\"");
    let error = browser.press("Tab Entre").await.expect_err("there is no such key");
    ensure!(error.to_string().contains("\"Entre\""), "{error}");
    Ok(())
}

#[docker_test]
async fn a_time_out_says_what_the_page_showed() -> Result<()> {
    let server = Server::start(GOOD).await?;
    let browser = Browser::builder().patience(secs(3)).start().await?;
    browser.goto(&server.url()).await?;
    let started = Instant::now();
    let error = browser.wait_for_text("never said").await.expect_err("it is never said");
    ensure!(started.elapsed() < secs(15), "{:?}", started.elapsed());
    let message = error.to_string();
    let page = format!("on the page {}, titled \"Agents\", with this text:\nAgents", server.url());
    ensure!(matches!(error, BrowserError::Harness(Error::Deadline { .. })), "{message}");
    for part in ["the text \"never said\": not within 3 s", &page, "None so far"] {
        ensure!(message.contains(part), "no {part:?} in: {message}");
    }

    let look = async |_: &Browser| Ok(Look::<()>::NotYet("seven of nine".to_owned()));
    let error = browser.wait_until("all", look, Duration::from_millis(200)).await.expect_err("never");
    ensure!(error.to_string().contains("last seen: seven of nine\non the page http"), "{error}");

    let hidden = browser.wait_for(".nowhere").await.expect_err("it is not there");
    ensure!(hidden.to_string().contains("nothing is .nowhere"), "{hidden}");
    let nonsense = browser.wait_for("p[").await.expect_err("that is no selector");
    ensure!(matches!(nonsense, BrowserError::Harness(Error::Probe { .. })), "{nonsense}");
    Ok(())
}

#[docker_test]
async fn an_element_that_a_person_cannot_click_is_refused() -> Result<()> {
    let page = r#"<!doctype html><p id="said">not clicked</p>
        <button id="covered" onclick="said.textContent = 'clicked'">Covered</button>
        <button id="off" disabled>Off</button><button hidden id="hidden">Hidden</button>
        <button>Twice</button><button>Twice</button>
        <div id="cover" style="position: fixed; inset: 0"></div>"#;
    let server = Server::start(page).await?;
    let browser = Browser::builder().patience(secs(3)).start().await?;
    browser.goto(&server.url()).await?;
    for (css, why) in
        [("#covered", "div#cover covers it"), ("#off", "it is disabled"), ("#hidden", "not visible")]
    {
        let error = browser.click(css).await.expect_err(css);
        ensure!(
            matches!(error, BrowserError::Harness(Error::Deadline { .. })) && error.to_string().contains(why),
            "{css}: {error}"
        );
    }
    let error = browser.click_text("Twice").await.expect_err("there are two");
    ensure!(error.to_string().contains("2 say it"), "{error}");
    ensure!(browser.text("#said").await? == "not clicked");

    browser.execute("document.getElementById('cover').remove()").await?;
    browser.click_text("Covered").await?;
    ensure!(browser.text("#said").await? == "clicked");
    Ok(())
}

#[docker_test]
async fn a_small_window_gets_a_picture_of_the_whole_page() -> Result<()> {
    let server = Server::start(GOOD).await?;
    let browser = Browser::builder().viewport(360, 740).start().await?;
    browser.goto(&server.url()).await?;
    let size: (u32, u32) = browser.evaluate("return [innerWidth, innerHeight]").await?;
    ensure!(size == (360, 740), "{size:?}");
    ensure!(browser.evaluate::<bool>("return matchMedia('(width: 360px)').matches").await?);
    let height: u32 = browser.evaluate("return document.documentElement.scrollHeight").await?;
    let png = browser.screenshot("telephone").await?;
    ensure!(height > 1500 && size_of_png(&png) == Some((360, height)), "{:?}", size_of_png(&png));
    Ok(())
}

/// Reads the size of a picture: <https://www.w3.org/TR/png-3/#11IHDR>.
fn size_of_png(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
    let side = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    Some((side(0)?, side(4)?))
}

#[docker_test]
async fn a_reader_prefers_light_unless_dark_is_asked_for() -> Result<()> {
    let server = Server::start(GOOD).await?;
    let dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
    let reduced = "return matchMedia('(prefers-reduced-motion: reduce)').matches";
    let light = Browser::start().await?;
    light.goto(&server.url()).await?;
    ensure!(!light.evaluate::<bool>(dark).await? && !light.evaluate::<bool>(reduced).await?);
    drop(light);
    let browser = Browser::builder().dark().reduced_motion().start().await?;
    browser.goto(&server.url()).await?;
    ensure!(browser.evaluate::<bool>(dark).await? && browser.evaluate::<bool>(reduced).await?);
    // The colour scheme applies to the next page as well.
    browser.reload().await?;
    ensure!(browser.evaluate::<bool>(dark).await?);
    browser.expect_accessible().await?;
    Ok(())
}

#[docker_test]
async fn a_test_can_use_javascript_on_a_page_without_it() -> Result<()> {
    const PAGE: &str = "<!doctype html><p id=p>no script</p><noscript>for you</noscript>\
                        <script>p.textContent = 'a script'</script>";
    let server = Server::start(PAGE).await?;
    let plain = Browser::start().await?;
    plain.goto(&server.url()).await?;
    ensure!(plain.text("body").await? == "a script");
    drop(plain);
    let browser = Browser::builder().without_javascript().start().await?;
    browser.goto(&server.url()).await?;
    ensure!(browser.text("#p").await? == "no script");
    ensure!(browser.text("noscript").await? == "for you");
    ensure!(browser.evaluate::<i32>("return 6 * 7").await? == 42);
    ensure!(!browser.findings().await?.is_empty(), "that page has no h1");
    Ok(())
}

#[docker_test]
async fn console_errors_are_collected_and_a_good_page_has_none() -> Result<()> {
    let (_server, browser) = open_page(GOOD).await?;
    browser.expect_quiet_console().await?;

    let bad = "<!doctype html><p>x<script>console.log('hello'); console.warn('old ways'); console.error('bad thing'); nothing.at.all</script>";
    let bad = Server::start(bad).await?;
    browser.goto(&bad.url()).await?;
    let error = browser.expect_quiet_console().await.expect_err("there are errors").to_string();
    for part in [&bad.url(), "wrote errors to the console", "bad thing", "nothing is not defined"] {
        ensure!(error.contains(part), "no {part:?} in: {error}");
    }
    ensure!(!error.contains("hello"), "{error}");
    // A read of the console does not consume its lines.
    let lines = browser.console().await?;
    for (said, is_complaint, is_error) in
        [("hello", false, false), ("old ways", true, false), ("bad thing", true, true)]
    {
        let line = lines.iter().find(|line| line.text.contains(said)).context(said)?;
        ensure!((line.is_complaint(), line.is_error()) == (is_complaint, is_error), "{line}");
    }
    Ok(())
}

#[docker_test]
async fn policy_breaches_are_collected_without_binding_the_test() -> Result<()> {
    let policy = "Content-Security-Policy: default-src 'none'; require-trusted-types-for 'script'";
    let page = "<!doctype html><p id=p>kept</p><script>p.textContent = 'broken'</script>";
    let server = Server::with_headers(page, &[policy]).await?;
    let browser = Browser::start().await?;
    browser.goto(&server.url()).await?;
    ensure!(browser.text("#p").await? == "kept");
    let breaches = browser.console().await?.into_iter().filter(|line| line.is_policy_breach()).count();
    ensure!(breaches > 0, "{:?}", browser.console().await?);
    browser.expect_quiet_console().await.expect_err("a breach is an error");
    Ok(())
}

#[docker_test]
async fn a_request_outlives_the_networks_that_other_tests_make() -> Result<()> {
    // Each request makes its own connection. Of twenty, some always wait for one.
    const ASKS: &str = "<!doctype html><title>asks</title><script>let answers = 0; const failures = []; \
        const ask = () => fetch('/', { method: 'POST' }).then((answer) => answer.text()).then(() => answers++, (error) => failures.push(String(error))) \
            .then(ask); for (let one = 0; one < 20; one++) ask();</script>";
    let (_server, browser) = open_page(ASKS).await?;
    let answers = async || anyhow::Ok(browser.evaluate::<u64>("return answers").await?);
    for _ in 0..5 {
        let before = answers().await?;
        // The harness removes the network at the end of the test.
        Network::new().await?;
        ensure!(answers().await? > before, "nothing was asked meanwhile");
    }
    let failures: Vec<String> = browser.evaluate("return failures").await?;
    ensure!(failures.is_empty(), "{failures:?}; {:?}", browser.console().await?);
    Ok(())
}

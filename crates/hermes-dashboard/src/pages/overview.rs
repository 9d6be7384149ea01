//! `/`: the overview of all agents.

use std::time::{SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use hermes_operations::Report;
use serde::Deserialize;

use super::order::{Order, is_bad};
use super::{Refused, Visitor};
use crate::api::facts::{self, Facts};
use crate::board::{Row, mebibytes};
use crate::frame::{Frame, html};
use crate::pages::act::Done;
use crate::refresh;
use crate::span::span;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Shown {
    /// A text that the names contain.
    #[serde(default)]
    q: String,
    /// A column, after `-` for the largest first.
    #[serde(default)]
    sort: String,
    /// `trouble` for the agents in trouble alone.
    #[serde(default)]
    show: String,
    #[serde(flatten)]
    done: Done,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    facts: Facts,
    /// All rows. The script can search without a new page, because rows that do not match are hidden and present.
    rows: Vec<String>,
    finds_none: bool,
    running: usize,
    troubled: usize,
    all: usize,
    version: u64,
    query: String,
    order: Order,
    only_trouble: bool,
    done: Option<String>,
    failure: Option<Report>,
}

impl Overview {
    /// Returns the query of a link to this page in another order.
    fn sorted(&self, sort: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("sort", sort);
        if !self.query.is_empty() {
            query.append_pair("q", &self.query);
        }
        if self.only_trouble {
            query.append_pair("show", "trouble");
        }
        query.finish()
    }

    fn dashboard_uptime(&self) -> (u64, String) {
        uptime(self.facts.dashboard_seconds)
    }

    fn container_uptime(&self) -> Option<(u64, String)> {
        self.facts.container_seconds.map(uptime)
    }

    fn dashboard_memory(&self) -> String {
        self.facts.dashboard_memory_bytes.map_or_else(|| "–".to_owned(), mebibytes)
    }

    fn revision(&self) -> String {
        self.facts.revision.as_deref().map_or_else(|| "–".to_owned(), |sha| sha.chars().take(12).collect())
    }

    fn volume(&self) -> String {
        let gibibytes = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
        match (self.facts.volume_bytes, self.facts.volume_free_bytes) {
            (Some(all), Some(free)) if all > 0 => {
                format!("{} of {} used", gibibytes(all - free.min(all)), gibibytes(all))
            }
            _ => "–".to_owned(),
        }
    }
}

/// Returns the start of something, in seconds since 1970, and its time for a person.
fn uptime(seconds: u64) -> (u64, String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    (now.saturating_sub(seconds), span(seconds))
}

/// Shows the page.
pub(crate) async fn show(visitor: Visitor, Query(shown): Query<Shown>) -> Result<Response, Refused> {
    let site = &visitor.site;
    let seen = refresh::recent(site).await.map_err(|failure| visitor.refused(failure))?;
    let facts = facts::gather(site).await.map_err(|failure| visitor.refused(failure))?;
    let order = Order::of(&shown.sort);
    let only_trouble = shown.show == "trouble";
    let wanted = shown.q.trim().to_lowercase();
    let is_wanted = |row: &Row| row.name().contains(&wanted) && (!only_trouble || is_bad(row));
    let shown_or_not = |row: &&Row| {
        let html = row.view.html();
        if is_wanted(row) { html } else { html.replacen("<tr ", "<tr hidden ", 1) }
    };
    let mut rows: Vec<&Row> = seen.rows.iter().collect();
    order.sort(&mut rows);
    let count = |tone: &str| seen.rows.iter().filter(|row| row.view.tone == tone).count();
    Ok(html(&Overview {
        frame: visitor.frame("overview"),
        facts,
        rows: rows.iter().map(shown_or_not).collect(),
        finds_none: !seen.rows.iter().any(is_wanted),
        running: count("good"),
        troubled: count("bad"),
        all: seen.rows.len(),
        version: seen.version,
        query: shown.q,
        order,
        only_trouble,
        done: shown.done.describe(),
        failure: seen.failure.clone(),
    }))
}

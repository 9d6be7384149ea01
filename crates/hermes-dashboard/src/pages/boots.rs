//! `/boots`: the last boots, each with a time line and its actions on the profiles.

use askama::Template;
use axum::response::Response;
use hermes_core::boot::record::milliseconds;

use super::{Refused, Visitor};
use crate::api::boots;
use crate::boots::Boot;
use crate::frame::{Frame, html};

/// The width of the picture: names on the left, times on the right.
const NAMES: f64 = 220.0;
const TIME: f64 = 620.0;
/// The height of a row.
const ROW: usize = 18;
/// The number of profiles that are shown for a boot: failed ones first.
const PROFILES_MAX: usize = 200;

#[derive(Template)]
#[template(path = "boots.html")]
struct Boots {
    frame: Frame,
    boots: Vec<Boot>,
}

/// A phase in the picture.
struct Bar {
    top: usize,
    middle: usize,
    left: String,
    width: String,
    kind: &'static str,
    label: String,
}

impl Boot {
    fn picture_height(&self) -> usize {
        ROW * self.phases.len() + 4
    }

    fn bars(&self) -> Vec<Bar> {
        let whole = self.duration_us.max(1) as f64;
        let bar = |(row, phase): (usize, &crate::boots::Phase)| {
            let kind = match (phase.failed(), &phase.parent) {
                (true, _) => "failed",
                (false, Some(_)) => "part",
                (false, None) => "phase",
            };
            let name = if phase.parent.is_some() {
                format!("\u{a0}\u{a0}{}", phase.name)
            } else {
                phase.name.clone()
            };
            Bar {
                top: row * ROW + 3,
                middle: row * ROW + 14,
                left: format!("{:.1}", NAMES + phase.start_us as f64 / whole * TIME),
                width: format!("{:.1}", (phase.duration_us as f64 / whole * TIME).max(1.5)),
                kind,
                label: name,
            }
        };
        self.phases.iter().enumerate().map(bar).collect()
    }

    fn milliseconds(&self) -> String {
        milliseconds(self.duration_us)
    }

    fn failures(&self) -> Vec<&crate::boots::Phase> {
        self.phases.iter().filter(|phase| phase.failed()).collect()
    }

    fn shown_profiles(&self) -> Vec<&crate::boots::Reconciled> {
        let mut shown: Vec<_> = self.profiles.iter().collect();
        shown.sort_by_key(|reconciled| reconciled.action != "failed");
        shown.truncate(PROFILES_MAX);
        shown
    }

    fn hidden_profiles(&self) -> usize {
        self.profiles.len().saturating_sub(PROFILES_MAX)
    }
}

impl crate::boots::Phase {
    fn describe(&self) -> String {
        format!("{}, from {}", milliseconds(self.duration_us), milliseconds(self.start_us))
    }
}

/// Shows the page.
pub(crate) async fn show(visitor: Visitor) -> Result<Response, Refused> {
    let boots = boots::known(&visitor.site).await.map_err(|failure| visitor.refused(failure))?;
    Ok(html(&Boots { frame: visitor.frame("boots"), boots }))
}

//! `/metrics`: the text format of Prometheus, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

use hermes_os::sandbox_level::Level;
use hermes_server::Transport;

use super::app::App;
use super::turn_stats::FIRST_TOKEN_BOUNDS;
use super::vitals::STATES;

/// The media type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics.
struct Page {
    text: String,
}

/// Renders all counters.
pub(crate) fn render(app: &App) -> String {
    let vitals = &app.vitals;
    let mut page = Page { text: String::with_capacity(2048) };
    page.family("hermes_gateway_info", "gauge", "The profile and the version of this gateway; always 1.");
    let labels = [("profile", vitals.profile.as_str()), ("version", &vitals.version)];
    page.sample("hermes_gateway_info", &labels, 1);

    page.family("hermes_gateway_uptime_seconds", "gauge", "Seconds since the gateway started.");
    page.sample("hermes_gateway_uptime_seconds", &[], format_args!("{:.3}", vitals.uptime().as_secs_f64()));

    page.family("hermes_gateway_state", "gauge", "1 for the current state of the gateway, 0 for the others.");
    let now = app.observe();
    for state in STATES {
        page.sample("hermes_gateway_state", &[("state", state.as_str())], u8::from(state == now));
    }

    page.family("hermes_gateway_requests_total", "counter", "Requests answered, by route and status code.");
    for ((route, code), count) in vitals.answers() {
        let labels = [("route", route.as_str()), ("code", &code.to_string())];
        page.sample("hermes_gateway_requests_total", &labels, count);
    }

    page.family("hermes_gateway_connections", "gauge", "Open connections, by the kind of socket.");
    for transport in [Transport::Unix, Transport::Tcp] {
        let count = vitals.connections(transport).load(Ordering::Relaxed);
        page.sample("hermes_gateway_connections", &[("door", transport.as_str())], count);
    }

    page.family(
        "hermes_gateway_connections_in_flight",
        "gauge",
        "Connections with a request, a half-received one included.",
    );
    page.sample("hermes_gateway_connections_in_flight", &[], vitals.in_flight().load(Ordering::Relaxed));

    page.family(
        "hermes_gateway_state_write_failures_total",
        "counter",
        "States that could not be written to gateway_state.json.",
    );
    page.sample("hermes_gateway_state_write_failures_total", &[], vitals.recorder.failures());
    sandbox(&mut page, Level::probe());
    turns(&mut page, app);
    page.text
}

/// Adds the level of the sandbox of tools.
fn sandbox(page: &mut Page, level: Level) {
    page.family("hermes_gateway_sandbox_info", "gauge", "The level of the sandbox of tools; always 1.");
    page.sample("hermes_gateway_sandbox_info", &[("level", &level.to_string())], 1);
    page.family(
        "hermes_gateway_sandbox_full",
        "gauge",
        "1 if the kernel has all parts of the sandbox of tools, else 0.",
    );
    page.sample("hermes_gateway_sandbox_full", &[], u8::from(level.is_full()));
}

/// Adds the counters of turns.
fn turns(page: &mut Page, app: &App) {
    page.family("hermes_gateway_turns_running", "gauge", "Turns that run.");
    page.sample("hermes_gateway_turns_running", &[], *app.turns.count().borrow());
    let counts = app.turns.stats.counts().clone();
    page.family("hermes_gateway_turns_total", "counter", "Turns that ended, by the reason.");
    for (reason, count) in &counts.ends {
        page.sample("hermes_gateway_turns_total", &[("reason", reason)], count);
    }
    page.family(
        "hermes_gateway_tokens_total",
        "counter",
        "Tokens as the model server reported them, by model and kind. The kinds exclude each other.",
    );
    for ((model, kind), count) in &counts.tokens {
        page.sample("hermes_gateway_tokens_total", &[("model", model), ("kind", kind)], count);
    }
    page.family(
        "hermes_gateway_provider_errors_total",
        "counter",
        "Turns that failed, by the class of the error.",
    );
    for (class, count) in &counts.errors {
        page.sample("hermes_gateway_provider_errors_total", &[("class", class)], count);
    }
    let name = "hermes_gateway_first_token_seconds";
    page.family(name, "histogram", "Seconds from the begin of a turn to its first token.");
    let bucket = format!("{name}_bucket");
    for (bound, count) in FIRST_TOKEN_BOUNDS.iter().zip(counts.first_tokens) {
        page.sample(&bucket, &[("le", &bound.to_string())], count);
    }
    page.sample(&bucket, &[("le", "+Inf")], counts.first_token_count);
    page.sample(&format!("{name}_sum"), &[], format_args!("{:.3}", counts.first_token_sum));
    page.sample(&format!("{name}_count"), &[], counts.first_token_count);
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        if labels.is_empty() {
            return self.line(format_args!("{name} {value}"));
        }
        let labels: Vec<_> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escape(text))).collect();
        self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// Escapes the value of a label.
fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut page = Page { text: String::new() };
        page.sample("x", &[("a", "1\"2\\3\n4"), ("b", "")], 7);
        assert_eq!(page.text, "x{a=\"1\\\"2\\\\3\\n4\",b=\"\"} 7\n");
    }
}

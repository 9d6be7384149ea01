//! `/metrics`: the text format of Prometheus, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

use hermes_server::Transport;

use super::vitals::{STATES, Vitals};

/// The media type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics.
struct Page {
    text: String,
}

/// Renders all counters.
pub(crate) fn render(vitals: &Vitals) -> String {
    let mut page = Page { text: String::with_capacity(2048) };
    page.family("hermes_gateway_info", "gauge", "The profile and the version of this gateway; always 1.");
    let labels = [("profile", vitals.profile.as_str()), ("version", &vitals.version)];
    page.sample("hermes_gateway_info", &labels, 1);

    page.family("hermes_gateway_uptime_seconds", "gauge", "Seconds since the gateway started.");
    page.sample("hermes_gateway_uptime_seconds", &[], format_args!("{:.3}", vitals.uptime().as_secs_f64()));

    page.family("hermes_gateway_state", "gauge", "1 for the current state of the gateway, 0 for the others.");
    let now = vitals.state();
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
    page.text
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

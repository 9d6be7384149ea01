//! The figures as a table, and as JSON.

use std::fmt;

use anyhow::{Context as _, Result};
use bollard::Docker;
use serde::Serialize;

use super::pairs::Series;

/// One figure.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// As in `bench NAME`.
    pub(super) name: &'static str,
    /// The measured thing.
    pub(super) what: String,
    /// In which unit.
    pub(super) unit: &'static str,
    /// The figure.
    pub(super) measured: Series,
    /// The reference that was measured in turn.
    pub(super) reference: Option<Series>,
    /// The limit, in words.
    pub(super) rule: String,
    /// The same as a number of this run.
    pub(super) target: f64,
}

impl Row {
    /// A figure of its own, against a number that is always the same.
    pub(super) fn fixed(
        name: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        figures: Vec<f64>,
        target: f64,
    ) -> Self {
        let measured = Series::of(figures);
        Self { name, what: what.into(), unit, measured, reference: None, rule: "fixed".into(), target }
    }

    /// 1.0 or less: the target is met.
    fn ratio(&self) -> f64 {
        self.measured.median / self.target
    }
}

/// All figures of a run, and where they were taken.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    image: String,
    engine: String,
    storage_driver: String,
    run_is: &'static str,
    cpus: i64,
    pub(super) rows: Vec<Row>,
}

impl Report {
    /// An empty report of this engine.
    pub(super) async fn about(docker: &Docker, image: &str) -> Result<Self> {
        let info = docker.info().await.context("failed to ask the engine about itself")?;
        Ok(Self {
            image: image.to_owned(),
            engine: info.server_version.unwrap_or_default(),
            storage_driver: info.driver.unwrap_or_default(),
            run_is: "the container's own file system (profiles and gateways: tmpfs)",
            cpus: info.ncpu.unwrap_or_default(),
            rows: Vec::new(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image {}", self.image)?;
        writeln!(
            f,
            "engine {} on {} cores, storage driver {}, /run on {}",
            self.engine, self.cpus, self.storage_driver, self.run_is
        )?;
        writeln!(f)?;
        let mut lines =
            vec![["name", "what", "median", "quartiles", "reference", "target", "ratio"].map(str::to_owned)];
        lines.extend(self.rows.iter().map(|row| {
            let Series { median, lower_quartile, upper_quartile, count } = row.measured;
            let quartiles =
                if count > 1 { format!("{lower_quartile:.1}–{upper_quartile:.1}") } else { String::new() };
            [
                row.name.to_owned(),
                row.what.clone(),
                format!("{median:.1} {}", row.unit),
                quartiles,
                row.reference.map_or_else(String::new, |series| format!("{:.1} {}", series.median, row.unit)),
                format!("{:.1} {} ({})", row.target, row.unit, row.rule),
                format!("{:.2}", row.ratio()),
            ]
        }));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 7] = std::array::from_fn(width);
        for line in &lines {
            let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        write!(f, "\nratio: median against target; 1.00 or less meets it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_figure_reference_target_and_ratio() {
        let report = Report {
            image: "i".into(),
            engine: "e".into(),
            storage_driver: "d".into(),
            run_is: "r",
            cpus: 2,
            rows: vec![Row {
                name: "cycle",
                what: "w".into(),
                unit: "ms",
                measured: Series::of(vec![300.0, 330.0, 360.0]),
                reference: Some(Series::of(vec![340.0])),
                rule: "reference + 100 ms".into(),
                target: 440.0,
            }],
        };
        let text = report.to_string();
        let row = text.lines().find(|line| line.starts_with("cycle")).unwrap();
        let cells: Vec<_> = row.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect();
        assert_eq!(
            cells,
            ["cycle", "w", "330.0 ms", "315.0–345.0", "340.0 ms", "440.0 ms (reference + 100 ms)", "0.75"]
        );
    }
}

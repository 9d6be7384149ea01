//! Two things measured in turn, and what a series of figures says.

use anyhow::Result;
use serde::Serialize;

/// A series in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Series {
    /// The middle figure.
    pub(super) median: f64,
    /// A quarter of the figures lie below.
    pub(super) lower_quartile: f64,
    /// A quarter of the figures lie above.
    pub(super) upper_quartile: f64,
    /// How many figures there are.
    pub(super) count: usize,
}

impl Series {
    /// Summarizes these figures; `figures` is not empty.
    pub(super) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&figures, share);
        Self { median: at(0.5), lower_quartile: at(0.25), upper_quartile: at(0.75), count: figures.len() }
    }
}

/// Returns the figure below which this share of the figures lies. They are sorted and not empty.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// Measures `subject` and `reference` in turn. The first pair warms up and is not counted.
pub(super) async fn in_turn(
    pairs: usize,
    subject: impl AsyncFn() -> Result<f64>,
    reference: impl AsyncFn() -> Result<f64>,
) -> Result<(Series, Series)> {
    let (mut subjects, mut references) = (Vec::new(), Vec::new());
    for pair in 0..=pairs {
        let (one, other) = (subject().await?, reference().await?);
        if pair > 0 {
            subjects.push(one);
            references.push(other);
        }
    }
    Ok((Series::of(subjects), Series::of(references)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_and_its_quartiles() {
        let series = Series::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(series, Series { median: 3.0, lower_quartile: 2.0, upper_quartile: 4.0, count: 5 });
        assert_eq!(Series::of(vec![7.0]).median, 7.0);
        assert_eq!(Series::of(vec![1.0, 2.0]).median, 1.5);
    }

    #[test]
    fn a_percentile_lies_between_two_figures() {
        let figures: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&figures, 0.99), 99.0);
        assert_eq!(quantile(&[1.0, 3.0], 0.75), 2.5);
    }

    #[tokio::test]
    async fn the_two_take_turns_and_the_first_pair_does_not_count() {
        let log = std::cell::RefCell::new(String::new());
        let (subject, reference) = in_turn(
            2,
            async || {
                log.borrow_mut().push('A');
                Ok(log.borrow().len() as f64)
            },
            async || {
                log.borrow_mut().push('B');
                Ok(0.0)
            },
        )
        .await
        .unwrap();
        assert_eq!(log.into_inner(), "ABABAB");
        assert_eq!((subject.median, subject.count, reference.count), (4.0, 2, 2));
    }
}

//! Which tests run: by name, and by shard.

use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

use super::compile::Suites;

/// One part of all tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard {
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse::<usize>().ok()?, count.parse::<usize>().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("a shard is I/N with I from 1 to N".into()),
        }
    }
}

/// The tests to run, and the rest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Names of those that run.
    pub(super) run: Vec<String>,
    /// Names of those that are left out.
    pub(super) rest: Vec<String>,
}

/// Asks the binary for its tests and chooses among them.
pub(super) async fn choose(suites: &Suites, filter: &[String], shard: Option<Shard>) -> Result<Chosen> {
    let output = suites
        .command()
        .args(["--list", "--format", "terse"])
        .output()
        .await
        .context("failed to start the suites")?;
    if !output.status.success() {
        bail!("the suites failed to list themselves: {}", String::from_utf8_lossy(&output.stderr));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    let names = names.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned);
    Ok(split(names, filter, shard))
}

/// A test runs when a filter names a part of it, or there is no filter; shards take turns.
fn split(names: impl Iterator<Item = String>, filter: &[String], shard: Option<Shard>) -> Chosen {
    let (matching, mut rest): (Vec<_>, Vec<_>) =
        names.partition(|name| filter.is_empty() || filter.iter().any(|part| name.contains(part.as_str())));
    let Some(shard) = shard else { return Chosen { run: matching, rest } };
    let mut run = Vec::new();
    for (position, name) in matching.into_iter().enumerate() {
        if position % shard.count == shard.index - 1 { run.push(name) } else { rest.push(name) }
    }
    Chosen { run, rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> impl Iterator<Item = String> {
        ["a::one", "a::two", "b::one", "b::two"].into_iter().map(str::to_owned)
    }

    #[test]
    fn without_a_filter_all_run() {
        assert_eq!(split(names(), &[], None).run.len(), 4);
    }

    #[test]
    fn several_filters_are_alternatives() {
        let chosen = split(names(), &["a::one".into(), "b::".into()], None);
        assert_eq!(chosen.run, ["a::one", "b::one", "b::two"]);
        assert_eq!(chosen.rest, ["a::two"]);
    }

    #[test]
    fn shards_share_all_tests_and_none_twice() {
        let mut all = Vec::new();
        for shard in ["1/3", "2/3", "3/3"] {
            all.extend(split(names(), &[], Some(shard.parse().unwrap())).run);
        }
        all.sort();
        assert_eq!(all, names().collect::<Vec<_>>());
    }

    #[test]
    fn a_shard_that_cannot_be_is_refused() {
        for text in ["0/3", "4/3", "1", "x/y", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}

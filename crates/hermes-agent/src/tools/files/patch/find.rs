//! Finds lines in a file. A model gets white space wrong, so a difference there is tolerated if the place is clear.

/// The similarity from which a line is named as near, from 0 to 1.
const NEAR: f64 = 0.5;

/// The lines around a near line that a message shows.
const NEAR_LINES: usize = 6;

/// The most characters of a line in a message.
const NEAR_CHARACTERS: usize = 160;

/// A place where the wanted lines are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The index of the first line.
    pub(crate) line: usize,
    /// The difference of the indentation.
    pub(crate) indentation: Indentation,
}

/// The difference between the indentation in the file and in the wanted lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Indentation {
    /// The same.
    Same,
    /// The file has this more.
    More(String),
    /// The file has this less.
    Less(String),
}

impl Indentation {
    /// Returns a line of the model with the indentation of the file.
    pub(crate) fn applied(&self, line: &str) -> String {
        match self {
            _ if line.trim().is_empty() => line.to_owned(),
            Self::Same => line.to_owned(),
            Self::More(more) => format!("{more}{line}"),
            Self::Less(less) => line.strip_prefix(less.as_str()).unwrap_or(line).to_owned(),
        }
    }

    /// Returns the difference for one line, or `None` if more than the indentation differs.
    fn of(line: &str, wanted: &str) -> Option<Self> {
        let (line, wanted) = (line.trim_end(), wanted.trim_end());
        if line == wanted {
            Some(Self::Same)
        } else if let Some(more) = line.strip_suffix(wanted).filter(|more| is_blank(more)) {
            Some(Self::More(more.to_owned()))
        } else {
            wanted.strip_suffix(line).filter(|less| is_blank(less)).map(|less| Self::Less(less.to_owned()))
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Returns the places of the wanted lines. If there is no exact one, white space at the ends of lines may differ. If there is still
/// none, the indentation of all lines may differ in the same way.
pub(crate) fn places(lines: &[&str], wanted: &[&str]) -> Vec<Place> {
    let same = |line: usize| Place { line, indentation: Indentation::Same };
    if wanted.is_empty() || wanted.len() > lines.len() {
        return Vec::new();
    }
    let windows = || lines.windows(wanted.len()).enumerate();
    let exact: Vec<_> =
        windows().filter(|(_, window)| *window == wanted).map(|(line, _)| same(line)).collect();
    if !exact.is_empty() || wanted.iter().all(|line| is_blank(line)) {
        return exact;
    }
    let is_trimmed_same = |window: &[&str]| {
        window.iter().zip(wanted).all(|(line, wanted)| line.trim_end() == wanted.trim_end())
    };
    let trimmed: Vec<_> =
        windows().filter(|(_, window)| is_trimmed_same(window)).map(|(line, _)| same(line)).collect();
    if !trimmed.is_empty() {
        return trimmed;
    }
    let indented = |(line, window): (usize, &[&str])| {
        let indentation = common_indentation(window, wanted)?;
        Some(Place { line, indentation })
    };
    windows().filter_map(indented).collect()
}

fn common_indentation(window: &[&str], wanted: &[&str]) -> Option<Indentation> {
    let mut common = None;
    for (line, wanted) in window.iter().zip(wanted) {
        if is_blank(line) && is_blank(wanted) {
            continue;
        }
        let indentation = Indentation::of(line, wanted)?;
        match &common {
            None => common = Some(indentation),
            Some(first) if *first == indentation => {}
            Some(_) => return None,
        }
    }
    common
}

/// Returns the lines that are most similar to the first wanted line, with numbers, or an empty text.
pub(crate) fn nearest(lines: &[&str], wanted: &[&str]) -> String {
    let Some(first) = wanted.iter().map(|line| line.trim()).find(|line| !line.is_empty()) else {
        return String::new();
    };
    let scored = lines.iter().enumerate().map(|(at, line)| (similarity(line.trim(), first), at));
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    let Some((_, at)) = best.filter(|(similarity, _)| *similarity >= NEAR) else { return String::new() };
    let end = lines.len().min(at + wanted.len().clamp(1, NEAR_LINES));
    let numbered = lines[at..end].iter().enumerate().map(|(index, line)| {
        let line: String = line.chars().take(NEAR_CHARACTERS).collect();
        format!("{}|{line}", at + index + 1)
    });
    numbered.collect::<Vec<_>>().join("\n")
}

/// Returns the share of equal bytes at the begin and the end.
fn similarity(one: &str, other: &str) -> f64 {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let (longer, shorter) = (one.len().max(other.len()), one.len().min(other.len()));
    if longer == 0 {
        return 0.0;
    }
    let begin = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let end = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
    (begin + end).min(shorter) as f64 / longer as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::exact(&["a", "b", "a"], &["a"], &[(0, Indentation::Same), (2, Indentation::Same)])]
    #[case::exact_first(&["a", " a"], &["a"], &[(0, Indentation::Same)])]
    #[case::ends(&["a  ", "b\r"], &["a", "b"], &[(0, Indentation::Same)])]
    #[case::more(&["", "    if x:", "", "      y"], &["if x:", "", "  y"], &[(1, Indentation::More("    ".into()))])]
    #[case::less(&["\tx"], &["\t\tx"], &[(0, Indentation::Less("\t".into()))])]
    #[case::uneven(&["  a", "    b"], &["a", "b"], &[])]
    #[case::blank(&["", ""], &["  "], &[])]
    #[case::nothing(&["a"], &[], &[])]
    fn white_space_is_tolerated_step_by_step(
        #[case] lines: &[&str],
        #[case] wanted: &[&str],
        #[case] expected: &[(usize, Indentation)],
    ) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(line, indentation)| Place { line: *line, indentation: indentation.clone() })
            .collect();
        assert_eq!(places(lines, wanted), expected);
    }

    #[test]
    fn the_nearest_lines_are_shown_with_numbers() {
        let lines = ["fn main() {", "    print(1);", "}"];
        assert_eq!(nearest(&lines, &["    print(2);", "}"]), "2|    print(1);\n3|}");
        assert_eq!(nearest(&lines, &["something else"]), "");
        assert_eq!(nearest(&[], &["x"]), "");
    }

    proptest! {
        #[test]
        fn the_indentation_of_a_place_gives_its_lines(
            lines in proptest::collection::vec("[ ]{0,3}[ab]", 1..8),
            wanted in proptest::collection::vec("[ ]{0,3}[ab]", 1..3),
        ) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            for place in places(&lines, &wanted) {
                for (index, line) in wanted.iter().enumerate() {
                    prop_assert_eq!(place.indentation.applied(line), lines[place.line + index]);
                }
            }
        }
    }
}

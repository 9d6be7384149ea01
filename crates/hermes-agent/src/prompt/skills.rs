//! The index of the skills: a line for each `skills/CATEGORY/NAME/SKILL.md`. The model loads a skill when it needs one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hermes_core::config::Config;
use serde_json::Value;

use super::text_file::{self, one_line};

/// The tool that loads a skill.
pub(crate) const VIEWER: &str = "skill_view";

/// The file that makes a directory a skill.
pub(crate) const SKILL_FILE: &str = "SKILL.md";

/// The longest `SKILL.md`, in bytes.
pub(crate) const SKILL_FILE_MAX: u64 = 256 * 1024;

/// The number of directory entries that are looked at. An agent could make millions.
const ENTRIES_MAX: usize = 4_096;

/// The number of skills in the index.
const SKILLS_MAX: usize = 512;

/// The depth of directories below `skills/`: category, subcategory, name.
const DEPTH_MAX: usize = 3;

/// The longest index, in characters.
const INDEX_CHARACTERS: usize = 24_000;

/// The longest name and the longest description, in characters.
const NAME_CHARACTERS: usize = 64;
const DESCRIPTION_CHARACTERS: usize = 200;

/// The category of a skill that lies directly in `skills/`.
const NO_CATEGORY: &str = "general";

/// A skill. The order is that of the index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Skill {
    /// The category, as `devops` or `devops/docker`.
    pub(crate) category: String,
    /// The name.
    pub(crate) name: String,
    /// The description. It may be empty.
    pub(crate) description: String,
    /// The directory, relative to the profile.
    pub(crate) directory: PathBuf,
}

/// Returns the index of the skills of a profile, or an empty text if there are none.
pub(crate) fn index(profile: &Path, can_view: bool, warnings: &mut Vec<String>) -> String {
    let mut categories = BTreeMap::<String, Vec<Skill>>::new();
    for skill in list(profile, warnings) {
        categories.entry(skill.category.clone()).or_default().push(skill);
    }
    text(categories, can_view, warnings)
}

/// Returns the skills of a profile that are for this platform, sorted.
pub(crate) fn list(profile: &Path, warnings: &mut Vec<String>) -> Vec<Skill> {
    let mut walk = Walk { profile, found: Vec::new(), entries: 0, full: false };
    walk.directory(Path::new("skills"), 0, warnings);
    let Walk { mut found, full, .. } = walk;
    found.sort();
    if full || found.len() > SKILLS_MAX {
        let path = profile.join("skills");
        warnings.push(format!(
            "{} has too many entries; the prompt lists at most {SKILLS_MAX} skills",
            path.display()
        ));
    }
    found.truncate(SKILLS_MAX);
    let mut skills: Vec<Skill> = found.iter().filter_map(|path| read(profile, path, warnings)).collect();
    skills.sort();
    skills
}

fn text(categories: BTreeMap<String, Vec<Skill>>, can_view: bool, warnings: &mut Vec<String>) -> String {
    if categories.is_empty() {
        return String::new();
    }
    let guidance = if can_view {
        "Before you answer, check if a skill fits the task. If one does, load it with skill_view(name) and follow it."
    } else {
        "These are the skills of this agent. No tool loads them in this conversation."
    };
    let mut text = format!("# Skills\n{guidance}\n<available_skills>\n");
    let (mut characters, mut left_out) = (0, 0);
    for (category, mut skills) in categories {
        skills.dedup_by(|one, other| (&one.name, &one.description) == (&other.name, &other.description));
        let mut head = format!("{category}:\n");
        for Skill { name, description, .. } in skills {
            let line = if description.is_empty() {
                format!("{head}- {name}\n")
            } else {
                format!("{head}- {name}: {description}\n")
            };
            characters += line.chars().count();
            if characters > INDEX_CHARACTERS {
                left_out += 1;
                continue;
            }
            head.clear();
            text.push_str(&line);
        }
    }
    if left_out > 0 {
        let _ = writeln!(text, "({left_out} more skills are not listed)");
        warnings.push(format!(
            "the index of the skills is longer than {INDEX_CHARACTERS} characters; {left_out} skills are left out"
        ));
    }
    text.push_str("</available_skills>");
    text
}

/// A bounded walk through the directories of the skills.
struct Walk<'a> {
    profile: &'a Path,
    /// The directories that hold a skill, relative to the profile.
    found: Vec<PathBuf>,
    entries: usize,
    /// `true` if a limit ended the walk.
    full: bool,
}

impl Walk<'_> {
    fn directory(&mut self, relative: &Path, depth: usize, warnings: &mut Vec<String>) {
        let path = self.profile.join(relative);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound || depth > 0 {
                    warnings.push(format!(
                        "failed to list {}: {error}; the prompt is without its skills",
                        path.display()
                    ));
                }
                return;
            }
        };
        let mut directories = Vec::new();
        for entry in entries.flatten() {
            if self.entries >= ENTRIES_MAX {
                self.full = true;
                break;
            }
            self.entries += 1;
            let name = entry.file_name();
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            // `file_type` does not follow links. So no loop of links is walked.
            if !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(relative.join(name));
            }
        }
        directories.sort();
        for directory in directories {
            if self.profile.join(&directory).join(SKILL_FILE).symlink_metadata().is_ok() {
                self.found.push(directory);
            } else if depth + 1 < DEPTH_MAX && !self.full {
                self.directory(&directory, depth + 1, warnings);
            }
        }
    }
}

/// Reads the skill in a directory. Returns `None` for one of another platform, and for one that cannot be used.
fn read(profile: &Path, directory: &Path, warnings: &mut Vec<String>) -> Option<Skill> {
    let file = directory.join(SKILL_FILE);
    let contents = text_file::read_whole(profile, &file, SKILL_FILE_MAX, warnings)?;
    let matter = FrontMatter::parse(&contents);
    if !matter.is_for(std::env::consts::OS) {
        return None;
    }
    let below_skills: Vec<_> =
        directory.iter().skip(1).map(|name| one_line(&name.to_string_lossy())).collect();
    let (own_name, categories) = below_skills.split_last()?;
    let category = if categories.is_empty() { NO_CATEGORY.to_owned() } else { categories.join("/") };
    let name = matter.name.filter(|name| !name.is_empty()).unwrap_or_else(|| own_name.clone());
    let description = matter.description.unwrap_or_default();
    if description.is_empty() {
        warnings.push(format!(
            "{} has no description; add one, so that the model knows when to use the skill",
            profile.join(&file).display()
        ));
    }
    Some(Skill {
        category: cut(category, NAME_CHARACTERS),
        name: cut(name, NAME_CHARACTERS),
        description: cut(description, DESCRIPTION_CHARACTERS),
        directory: directory.to_owned(),
    })
}

fn cut(text: String, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text;
    }
    let start: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", start.trim_end())
}

/// The head of a `SKILL.md`: YAML between two lines of `---`.
#[derive(Debug, Default, PartialEq, Eq)]
struct FrontMatter {
    name: Option<String>,
    description: Option<String>,
    /// The platforms, in lower case. Empty: all.
    platforms: Vec<String>,
}

impl FrontMatter {
    fn parse(contents: &str) -> Self {
        let Some(head) = head_of(contents) else { return Self::default() };
        match Config::parse(head.as_str()).map(|config| config.to_json()) {
            Ok(values) => Self {
                name: text_of(&values["name"]),
                description: text_of(&values["description"]),
                platforms: platforms_of(&values["platforms"]),
            },
            // A colon in a description without quotes is the usual mistake.
            Err(_) => Self {
                name: line_of(&head, "name"),
                description: line_of(&head, "description"),
                platforms: Vec::new(),
            },
        }
    }

    /// Returns `true` if the skill is for the system `os`, as Rust calls it.
    fn is_for(&self, os: &str) -> bool {
        let is_named = |platform: &String| platform == os || platform == "all" || platform == "any";
        self.platforms.is_empty() || self.platforms.iter().any(is_named)
    }
}

fn head_of(contents: &str) -> Option<String> {
    let mut lines = contents.trim_start().lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let mut head = String::new();
    for line in lines {
        if line.trim_end() == "---" {
            return Some(head);
        }
        head.push_str(line);
        head.push('\n');
    }
    None
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(one_line(text)),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn platforms_of(value: &Value) -> Vec<String> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(|item| item.as_str()).map(|item| item.trim().to_lowercase()).collect()
}

fn line_of(head: &str, name: &str) -> Option<String> {
    let values = head.lines().filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    values.map(|value| one_line(value.trim().trim_matches(['"', '\'']))).next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("---\nname: a\ndescription: b c\n---\nbody", Some("a"), Some("b c"), &[])]
    #[case::folded("---\nname: a\ndescription: >\n  b\n  c\n---\n", Some("a"), Some("b c"), &[])]
    #[case::colon("---\nname: a\ndescription: Use: this: now\n---\n", Some("a"), Some("Use: this: now"), &[])]
    #[case::windows("---\r\nname: a\r\nplatforms: [Linux, macos]\r\n---\r\n", Some("a"), None, &["linux", "macos"])]
    #[case::one_platform("---\nplatforms: windows\n---\n", None, None, &["windows"])]
    #[case::types("---\nname: 7\ndescription: [x]\nplatforms: 3\n---\n", Some("7"), None, &[])]
    #[case::null("---\nname: ~\ndescription:\n---\n", None, None, &[])]
    #[case::no_end("---\nname: a\n", None, None, &[])]
    #[case::no_head("# Title\nname: a\n", None, None, &[])]
    fn front_matter_is_read_leniently(
        #[case] text: &str,
        #[case] name: Option<&str>,
        #[case] description: Option<&str>,
        #[case] platforms: &[&str],
    ) {
        let matter = FrontMatter::parse(text);
        assert_eq!(
            (matter.name.as_deref(), matter.description.as_deref(), matter.platforms),
            (name, description, platforms.iter().map(|name| (*name).to_owned()).collect())
        );
    }

    proptest! {
        #[test]
        fn any_front_matter_gives_lines_without_control_characters(head: String) {
            let matter = FrontMatter::parse(&format!("---\n{head}\n---\n"));
            for text in [matter.name, matter.description].into_iter().flatten() {
                prop_assert!(!text.chars().any(char::is_control));
            }
        }
    }
}

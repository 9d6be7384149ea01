//! The tools `skills_list` and `skill_view`: they read the skills of a profile, and nothing outside of `skills/`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use hermes_core::chain;
use hermes_os::printable::printable;
use hermes_os::whole_file;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, Invocation, Tool, ToolOutput, ToolSchema, arguments, blocking};
use crate::prompt::skills::{self, SKILL_FILE, SKILL_FILE_MAX, Skill};

/// The longest file that is shown, in bytes.
const FILE_MAX: u64 = SKILL_FILE_MAX;

/// The files of a skill that are named, and the depth of directories.
const FILES_MAX: usize = 100;
const DEPTH_MAX: usize = 4;

/// The entries of directories that are looked at for the files of a skill.
const ENTRIES_MAX: usize = 2_000;

/// The names that are proposed for an unknown one, and the similarity that they need, from 0 to 1.
const PROPOSALS_MAX: usize = 5;
const SIMILAR: f32 = 0.5;

/// The tool `skills_list`.
#[derive(Clone, Debug)]
pub struct SkillsListTool {
    profile: PathBuf,
}

/// The tool `skill_view`.
#[derive(Clone, Debug)]
pub struct SkillViewTool {
    profile: PathBuf,
}

/// The arguments of `skills_list`.
#[derive(Deserialize)]
struct ListArguments {
    category: Option<String>,
}

/// The arguments of `skill_view`.
#[derive(Deserialize)]
struct ViewArguments {
    name: String,
    file_path: Option<String>,
}

impl SkillsListTool {
    /// Creates the tool for the directory of a profile.
    pub fn new(profile: impl Into<PathBuf>) -> Self {
        Self { profile: profile.into() }
    }
}

impl SkillViewTool {
    /// Creates the tool for the directory of a profile.
    pub fn new(profile: impl Into<PathBuf>) -> Self {
        Self { profile: profile.into() }
    }
}

impl Tool for SkillsListTool {
    fn schema(&self) -> ToolSchema {
        ToolSchema {
            name: "skills_list".to_owned(),
            description: "Lists the skills with their descriptions.".to_owned(),
            parameters: json!({"type": "object", "properties": {"category": {"type": "string"}}}),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(async move {
            match arguments::parse::<ListArguments>(&self.schema(), call.arguments) {
                Ok(arguments) => {
                    let profile = self.profile.clone();
                    blocking::run(move || list(&profile, arguments.category.as_deref())).await
                }
                Err(faults) => ToolOutput::failed(faults),
            }
        })
    }
}

impl Tool for SkillViewTool {
    fn schema(&self) -> ToolSchema {
        ToolSchema {
            name: "skill_view".to_owned(),
            description: "Loads a skill, or with file_path a file of it.".to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {"name": {"type": "string"}, "file_path": {"type": "string"}},
                "required": ["name"],
            }),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(async move {
            match arguments::parse::<ViewArguments>(&self.schema(), call.arguments) {
                Ok(arguments) => {
                    let profile = self.profile.clone();
                    blocking::run(move || view(&profile, &arguments)).await
                }
                Err(faults) => ToolOutput::failed(faults),
            }
        })
    }
}

fn list(profile: &Path, category: Option<&str>) -> ToolOutput {
    let wanted = category.map(|category| category.trim().trim_matches('/').to_lowercase());
    // The prompt told the warnings to the user.
    let mut skills = skills::list(profile, &mut Vec::new());
    let all: Vec<String> = skills.iter().map(|skill| skill.category.clone()).collect();
    if let Some(wanted) = wanted.as_deref().filter(|wanted| !wanted.is_empty()) {
        skills.retain(|skill| {
            let category = skill.category.to_lowercase();
            category == wanted || category.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'))
        });
    }
    if skills.is_empty() {
        let mut categories = all;
        categories.dedup();
        return ToolOutput::done(match categories.is_empty() {
            true => "there are no skills".to_owned(),
            false => format!("no skill has this category; the categories are {}", categories.join(", ")),
        });
    }
    let (mut text, mut category) = (String::new(), None);
    for skill in &skills {
        if category != Some(&skill.category) {
            let _ = writeln!(text, "{}:", skill.category);
            category = Some(&skill.category);
        }
        let separator = if skill.description.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "- {}{separator}{}", skill.name, skill.description);
    }
    ToolOutput::done(text)
}

fn view(profile: &Path, arguments: &ViewArguments) -> ToolOutput {
    let skills = skills::list(profile, &mut Vec::new());
    let skill = match find(&skills, &arguments.name) {
        Ok(skill) => skill,
        Err(message) => return ToolOutput::failed(message),
    };
    let directory = profile.join(&skill.directory);
    let asked = arguments.file_path.as_deref().map(str::trim).filter(|path| !path.is_empty());
    let file = asked.unwrap_or(SKILL_FILE);
    let bytes = match whole_file::read_within(&directory, Path::new(file), FILE_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let files = files(&directory);
            return ToolOutput::failed(format!(
                "failed to read {}: the skill has no such file\nhint: {}",
                printable(file.as_bytes()),
                if files.is_empty() { "it has SKILL.md alone".to_owned() } else { named(&files) }
            ));
        }
        Err(error) => return ToolOutput::failed(chain(&error)),
    };
    let Ok(mut text) = String::from_utf8(bytes) else {
        return ToolOutput::failed(format!("failed to read {}: it is no text", printable(file.as_bytes())));
    };
    if asked.is_none() {
        let files = files(&directory);
        if !files.is_empty() {
            let _ = write!(text, "\n[{}; the directory is {}]", named(&files), directory.display());
        }
    }
    ToolOutput::done(text)
}

fn named(files: &[String]) -> String {
    format!("skill_view with file_path loads {}", files.join(", "))
}

/// Returns the skill of a name: its own, that of its directory, or either behind its category.
fn find<'a>(skills: &'a [Skill], name: &str) -> Result<&'a Skill, String> {
    let wanted = name.trim().trim_matches('/').to_lowercase();
    let names = |skill: &Skill| {
        let own = skill.name.to_lowercase();
        let of_directory = skill.directory.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let category = skill.category.to_lowercase();
        [format!("{category}/{own}"), format!("{category}/{of_directory}"), own, of_directory]
    };
    let found: Vec<&Skill> = skills.iter().filter(|skill| names(skill).contains(&wanted)).collect();
    match found.as_slice() {
        [skill] => Ok(skill),
        [] => {
            let known: Vec<&str> = skills.iter().map(|skill| skill.name.as_str()).collect();
            let close = similar::get_close_matches(wanted.as_str(), &known, PROPOSALS_MAX, SIMILAR);
            let name = printable(name.as_bytes());
            Err(match close.is_empty() {
                true => format!("failed to find the skill {name}\nhint: skills_list names all"),
                false => format!("failed to find the skill {name}\nhint: did you mean {}?", close.join(", ")),
            })
        }
        several => {
            let names = several.iter().map(|skill| {
                let directory = skill.directory.file_name().unwrap_or_default().to_string_lossy();
                format!("{}/{directory}", skill.category)
            });
            let names: Vec<String> = names.collect();
            Err(format!(
                "failed to choose a skill: {} have the name\nhint: use {}",
                several.len(),
                names.join(" or ")
            ))
        }
    }
}

/// Returns the paths of the files of a skill but `SKILL.md`, sorted. It follows no symlink.
fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(PathBuf::new(), 0)];
    let mut entries = 0;
    while let Some((relative, depth)) = open.pop() {
        let Ok(directory) = fs::read_dir(directory.join(&relative)) else { continue };
        for entry in directory.flatten() {
            entries += 1;
            let path = relative.join(entry.file_name());
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let Ok(kind) = entry.file_type() else { continue };
            if entries > ENTRIES_MAX {
                break;
            } else if kind.is_dir() && !is_hidden && depth < DEPTH_MAX {
                open.push((path, depth + 1));
            } else if kind.is_file() && !is_hidden && path != Path::new(SKILL_FILE) {
                found.push(printable(path.as_os_str().as_encoded_bytes()));
            }
        }
    }
    found.sort();
    if found.len() > FILES_MAX {
        let more = found.len() - FILES_MAX;
        found.truncate(FILES_MAX);
        found.push(format!("and {more} more"));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rstest::rstest;
    use serde_json::Value;
    use tempfile::TempDir;

    use super::*;

    fn profile() -> TempDir {
        let profile = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = profile.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("skills/devops/deploy/SKILL.md", "---\nname: deploy-app\ndescription: ships it\n---\nDo it.\n");
        write("skills/devops/deploy/references/api.md", "API");
        write("skills/devops/deploy/assets/logo.png", "\u{0}");
        write("skills/writing/notes/SKILL.md", "---\nname: notes\ndescription: takes notes\n---\n");
        write("skills/writing/old/notes/SKILL.md", "---\nname: notes\n---\n");
        write(".env", "KEY=secret");
        fs::write(profile.path().join("skills/devops/deploy/picture"), b"\xff\xd8").unwrap();
        profile
    }

    async fn call(tool: &dyn Tool, arguments: Value) -> ToolOutput {
        tool.run(Invocation::confined("s".into(), arguments)).await
    }

    #[rstest]
    #[case(json!({}), "devops:\n- deploy-app: ships it\nwriting:\n- notes: takes notes\nwriting/old:\n- notes\n")]
    #[case(json!({"category": "DevOps"}), "devops:\n- deploy-app: ships it\n")]
    #[case(json!({"category": "writing"}), "writing:\n- notes: takes notes\nwriting/old:\n- notes\n")]
    #[case(json!({"category": "x"}), "no skill has this category; the categories are devops, writing, writing/old")]
    #[tokio::test]
    async fn skills_are_listed_by_category(#[case] arguments: Value, #[case] expected: &str) {
        let profile = profile();
        assert_eq!(call(&SkillsListTool::new(profile.path()), arguments).await, ToolOutput::done(expected));
    }

    #[rstest]
    #[case::name("deploy-app")]
    #[case::directory("deploy")]
    #[case::category("devops/deploy")]
    #[case::letters("DevOps/Deploy-App")]
    #[tokio::test]
    async fn a_skill_comes_with_the_names_of_its_files(#[case] name: &str) {
        let profile = profile();
        let output = call(&SkillViewTool::new(profile.path()), json!({"name": name})).await;
        let directory = profile.path().join("skills/devops/deploy");
        let expected = format!(
            "---\nname: deploy-app\ndescription: ships it\n---\nDo it.\n\n\
             [skill_view with file_path loads assets/logo.png, picture, references/api.md; the directory is {}]",
            directory.display()
        );
        assert_eq!(output, ToolOutput::done(expected));
    }

    #[rstest]
    #[case::unknown(json!({"name": "deplyo"}), "failed to find the skill deplyo\nhint: did you mean deploy-app?")]
    #[case::nothing_like_it(json!({"name": "zzz"}), "hint: skills_list names all")]
    #[case::several(json!({"name": "notes"}), "2 have the name\nhint: use writing/notes or writing/old/notes")]
    #[case::missing_file(json!({"name": "deploy", "file_path": "x.md"}), "loads assets/logo.png, picture, references/api.md")]
    #[case::no_text(json!({"name": "deploy", "file_path": "picture"}), "it is no text")]
    #[case::parent(json!({"name": "deploy", "file_path": "../../../.env"}), "it leads out of")]
    #[case::absolute(json!({"name": "deploy", "file_path": "/etc/passwd"}), "it leads out of")]
    #[case::symlink(json!({"name": "deploy", "file_path": "link"}), "it leads out of")]
    #[case::directory(json!({"name": "deploy", "file_path": "assets"}), "it is a directory")]
    #[tokio::test]
    async fn nothing_else_is_shown(#[case] arguments: Value, #[case] expected: &str) {
        let profile = profile();
        symlink("../../../.env", profile.path().join("skills/devops/deploy/link")).unwrap();
        let output = call(&SkillViewTool::new(profile.path()), arguments).await;
        assert!(output.is_error && output.content.contains(expected), "{}", output.content);
        assert!(!output.content.contains("secret"), "{}", output.content);
    }

    #[tokio::test]
    async fn an_agent_without_skills_is_told_so() {
        let profile = tempfile::tempdir().unwrap();
        let output = call(&SkillsListTool::new(profile.path()), json!({})).await;
        assert_eq!(output, ToolOutput::done("there are no skills"));
    }
}

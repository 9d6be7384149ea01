//! Tests of the prompt against good and hostile files.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use super::*;

/// A volume with the default profile.
struct Volume {
    folder: tempfile::TempDir,
    home: Home,
    profile: ProfileName,
    tools: Vec<ToolSchema>,
    client_system: Option<String>,
}

impl Volume {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("data")).unwrap();
        fs::create_dir_all(folder.path().join("data/profiles/coder")).unwrap();
        fs::create_dir_all(folder.path().join("work")).unwrap();
        let profile = ProfileName::new("coder").unwrap();
        Self { folder, home, profile, tools: Vec::new(), client_system: None }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.home.profile_directory(&self.profile).join(relative)
    }

    fn work(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    fn with(self, relative: &str, contents: impl AsRef<[u8]>) -> Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
        self
    }

    fn with_work(self, name: &str, contents: &str) -> Self {
        fs::write(self.work(name), contents).unwrap();
        self
    }

    fn with_tool(mut self, name: &str) -> Self {
        let (name, description) = (name.to_owned(), "Does it.".to_owned());
        self.tools.push(ToolSchema { name, description, parameters: json!({"type": "object"}) });
        self
    }

    fn build(&self) -> Prompt {
        build(&PromptInput {
            home: &self.home,
            profile: &self.profile,
            working_directory: Some(self.folder.path().join("work")),
            tools: &self.tools,
            model: "model-1",
            session: "s-1",
            // 2026-11-28, a Saturday.
            now: UNIX_EPOCH + Duration::from_secs(1_795_881_600),
            client_system: self.client_system.clone(),
            memory_limit: Some(2_200),
            user_limit: Some(1_375),
        })
    }
}

fn skill(description: &str) -> String {
    format!("---\ndescription: {description}\n---\nbody")
}

fn part<'a>(prompt: &'a Prompt, name: &str) -> &'a str {
    prompt.parts.iter().find(|part| part.name == name).map_or("", |part| part.text.as_str())
}

#[test]
fn parts_come_in_the_order_of_change() {
    let mut volume = Volume::new()
        .with("SOUL.md", "<!-- a template -->\n\nYou are Ada.\n")
        .with("skills/code/review/SKILL.md", skill("Reviews code"))
        .with("skills/code/DESCRIPTION.md", "no skill")
        .with("memories/MEMORY.md", "The server is in Oslo.\n§\nBackups run at night.\n")
        .with("memories/USER.md", "Name: Bo\n")
        .with_work("AGENTS.md", "Run the tests.\n")
        .with_work("CLAUDE.md", "not read")
        .with_tool("skill_view");
    volume.client_system = Some("Answer in French.".to_owned());
    let prompt = volume.build();
    assert_eq!(prompt.warnings, <[String; 0]>::default());
    let names: Vec<_> = prompt.parts.iter().map(|part| (part.section, part.name.as_str())).collect();
    assert_eq!(
        names,
        [
            (Section::Stable, "identity"),
            (Section::Stable, "tool guidance"),
            (Section::Stable, "skills"),
            (Section::Project, "AGENTS.md"),
            (Section::Project, "client"),
            (Section::Volatile, "memory"),
            (Section::Volatile, "user"),
            (Section::Volatile, "session"),
        ]
    );
    assert_eq!(
        part(&prompt, "skills"),
        "# Skills\nBefore you answer, check if a skill fits the task. If one does, load it with skill_view(name) and follow \
         it.\n<available_skills>\ncode:\n- review: Reviews code\n</available_skills>"
    );
    let [stable, project, volatile] = <[String; 3]>::try_from(prompt.system()).unwrap();
    assert!(stable.starts_with("You are Ada.\n\n# Tools\n"), "{stable}");
    assert_eq!(project, "# Instructions of the project (AGENTS.md)\n\nRun the tests.\n\nAnswer in French.");
    assert_eq!(
        volatile,
        "# Memory (your notes) [46 of 2200 characters]\nThe server is in Oslo.\n§\nBackups run at night.\n\n\
         # User (facts about the user) [8 of 1375 characters]\nName: Bo\n\n\
         The conversation began on Saturday, 2026-11-28 (UTC).\nSession: s-1\nModel: model-1"
    );
}

#[rstest]
#[case::missing(None)]
#[case::empty(Some(""))]
#[case::comment_alone(Some("<!-- write here -->\n\n"))]
fn an_agent_without_identity_gets_the_default_one(#[case] soul: Option<&str>) {
    let mut volume = Volume::new();
    if let Some(soul) = soul {
        volume = volume.with("SOUL.md", soul);
    }
    let prompt = volume.build();
    assert_eq!(part(&prompt, "identity"), DEFAULT_IDENTITY);
    assert_eq!(prompt.parts.len(), 2, "{:?}", prompt.parts);
    assert_eq!(prompt.system().len(), 2, "no empty text");
}

#[test]
fn the_same_files_give_the_same_prompt() {
    let mut volume = Volume::new().with("SOUL.md", "x");
    for number in 0..30 {
        volume = volume.with(&format!("skills/c{}/s{number}/SKILL.md", number % 4), skill("does it"));
    }
    assert_eq!(volume.build(), volume.build());
}

#[test]
fn a_fifo_gives_a_warning_and_does_not_block() {
    let volume = Volume::new().with("memories/USER.md", "Name: Bo");
    for path in [volume.path("SOUL.md"), volume.path("memories/MEMORY.md"), volume.work("AGENTS.md")] {
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
    }
    let prompt = volume.build();
    assert_eq!(part(&prompt, "identity"), DEFAULT_IDENTITY);
    assert_eq!(prompt.warnings.len(), 3, "{:?}", prompt.warnings);
    assert!(prompt.warnings[0].ends_with("SOUL.md: it is a FIFO, not a file; the prompt is without it"));
}

#[test]
fn a_link_out_of_the_profile_is_not_followed() {
    let volume = Volume::new().with("memories/real.md", "fine").with("skills/a/b/x", "");
    let secret = volume.home.root().join(".env");
    fs::write(&secret, "KEY=planted").unwrap();
    symlink(&secret, volume.path("SOUL.md")).unwrap();
    symlink("../../../.env", volume.path("memories/USER.md")).unwrap();
    symlink("real.md", volume.path("memories/MEMORY.md")).unwrap();
    symlink("../../../../../.env", volume.path("skills/a/b/SKILL.md")).unwrap();
    symlink(&secret, volume.work("HERMES.md")).unwrap();
    let prompt = volume.build();
    assert!(!prompt.system().concat().contains("planted"));
    assert!(part(&prompt, "memory").ends_with("\nfine"), "a link inside is followed");
    assert_eq!(prompt.warnings.len(), 4, "{:?}", prompt.warnings);
    assert!(prompt.warnings.iter().all(|warning| warning.contains("it leads out of ")));
}

#[test]
fn a_sparse_file_of_4_gb_gives_a_warning() {
    let volume = Volume::new().with("SOUL.md", "").with("skills/a/b/SKILL.md", "");
    for file in ["SOUL.md", "skills/a/b/SKILL.md"] {
        fs::OpenOptions::new().write(true).open(volume.path(file)).unwrap().set_len(4 << 30).unwrap();
    }
    let prompt = volume.build();
    assert_eq!(prompt.warnings.len(), 2, "{:?}", prompt.warnings);
    assert!(prompt.warnings.iter().all(|warning| warning.contains("it is longer than ")));
}

#[test]
fn bytes_that_are_not_utf_8_become_signs() {
    let prompt = Volume::new().with("SOUL.md", b"You are \xff Ada.").build();
    assert_eq!(part(&prompt, "identity"), "You are \u{fffd} Ada.");
    assert_eq!(prompt.warnings.len(), 1, "{:?}", prompt.warnings);
}

#[test]
fn a_long_identity_is_shortened_with_a_warning() {
    let prompt = Volume::new().with("SOUL.md", "word ".repeat(10_000)).build();
    assert!(part(&prompt, "identity").chars().count() < SOUL_CHARACTERS + 100);
    assert!(prompt.warnings[0].contains("more than 20000 characters"), "{:?}", prompt.warnings);
}

#[test]
fn too_many_skills_are_cut_with_a_warning() {
    let mut volume = Volume::new();
    for number in 0..5_000 {
        fs::create_dir_all(volume.path(&format!("skills/many/s{number}"))).unwrap();
    }
    for number in 0..600 {
        volume = volume.with(&format!("skills/a/s{number:03}/SKILL.md"), skill(&"long ".repeat(100)));
    }
    let prompt = volume.build();
    let index = part(&prompt, "skills");
    assert!(index.chars().count() < 25_000, "{}", index.len());
    assert!(index.contains("\n- s000: long long"), "{index}");
    assert_eq!(prompt.warnings.len(), 2, "{:?}", prompt.warnings);
}

#[test]
fn many_faulty_files_give_few_warnings() {
    let mut volume = Volume::new();
    for number in 0..100 {
        volume = volume.with(&format!("skills/a/s{number}/SKILL.md"), "no front matter");
    }
    let prompt = volume.build();
    assert_eq!(prompt.warnings.len(), WARNINGS_MAX + 1);
    assert!(prompt.warnings[0].contains("has no description; add one"), "{:?}", prompt.warnings);
    assert_eq!(prompt.warnings[WARNINGS_MAX], "80 more files of the prompt have faults");
}

#[test]
fn a_loop_of_links_ends_and_hidden_directories_are_skipped() {
    let volume = Volume::new()
        .with("skills/top/SKILL.md", skill("At the top"))
        .with("skills/a/deep/x/SKILL.md", skill("Deep"))
        .with("skills/.hub/x/SKILL.md", skill("Hidden"))
        .with("skills/a/other/SKILL.md", "---\ndescription: Other\nplatforms: [windows]\n---\n");
    symlink("..", volume.path("skills/a/loop")).unwrap();
    let prompt = volume.build();
    let index = part(&prompt, "skills").lines().skip(3).collect::<Vec<_>>();
    assert_eq!(
        index,
        ["a/deep:", "- x: Deep", "general:", "- top: At the top", "</available_skills>"],
        "{:?}",
        prompt.warnings
    );
}

#[test]
fn a_name_forges_no_line_of_the_index() {
    let volume = Volume::new().with("skills/a\nb/c\u{1b}[2J\n- d/SKILL.md", skill("x"));
    let prompt = volume.build();
    let index = part(&prompt, "skills");
    assert!(index.contains("\na b:\n- c[2J - d: x\n"), "{index}");
}

#[test]
fn the_size_has_each_part_and_each_tool() {
    let volume = Volume::new().with("SOUL.md", "You are Ada.").with_tool("read_file");
    let prompt = volume.build();
    let size = PromptSize::new(&prompt, &volume.tools, &[]);
    let identity = PartSize { section: Section::Stable, name: "identity".to_owned(), bytes: 12, tokens: 3 };
    assert_eq!(size.parts[0], identity);
    assert_eq!(size.tools.len(), 1);
    assert_eq!(size.tools[0].name, "read_file");
    let bytes = size.parts.iter().map(|part| part.bytes).sum::<u64>() + size.tools[0].bytes;
    assert_eq!(size.bytes, bytes);
    assert!(size.tokens > 20 && size.tokens < size.bytes, "{size:?}");
}

//! The result of a call as text for the model.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

/// The note for a part of a later version of the protocol.
const UNKNOWN: &str = "[a part of an unknown kind is not shown]";

/// Returns the text parts of a result, and a note for each other part.
pub(super) fn text_of(result: &CallToolResult) -> String {
    let mut parts: Vec<String> = result.content.iter().map(part).collect();
    if parts.is_empty()
        && let Some(value) = &result.structured_content
    {
        parts.push(value.to_string());
    }
    if parts.is_empty() {
        parts.push("[the result is empty]".to_owned());
    }
    parts.join("\n")
}

fn part(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => note("an image", &image.mime_type, image.data.len()),
        ContentBlock::Audio(audio) => note("a sound", &audio.mime_type, audio.data.len()),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => format!("[{uri}]\n{text}"),
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => note(
                &format!("the file {uri}"),
                mime_type.as_deref().unwrap_or("of unknown type"),
                blob.len(),
            ),
            _ => UNKNOWN.to_owned(),
        },
        ContentBlock::ResourceLink(link) => format!("[a link to {}]", link.uri),
        _ => UNKNOWN.to_owned(),
    }
}

/// Returns a note about data in Base64.
fn note(thing: &str, kind: &str, length: usize) -> String {
    format!("[{thing}, {kind}, {} bytes, is not shown]", length / 4 * 3)
}

//! What is known of a client's own terminal.

use serde::{Deserialize, Serialize};

/// What the client's terminal is, as far as the client knows: the host answers agents' queries from it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terminal {
    /// $TERM.
    #[serde(default)]
    pub term: String,
    /// The answer to XTVERSION.
    #[serde(default)]
    pub version: Option<String>,
    /// Default foreground and background, 0xRRGGBB.
    #[serde(default)]
    pub foreground: Option<u32>,
    #[serde(default)]
    pub background: Option<u32>,
    /// It answered `CSI ? u`.
    #[serde(default)]
    pub kitty_keyboard: Option<bool>,
    /// It answered the Program Status Protocol's query.
    #[serde(default)]
    pub program_status: Option<bool>,
    /// The text area in pixels.
    #[serde(default)]
    pub pixels: Option<(u16, u16)>,
    /// A program that asks for the clipboard (OSC 52) is passed on to it: its person is asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_for_clipboard: bool,
}

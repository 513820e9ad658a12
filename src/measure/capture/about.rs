//! What a pcapng file says of itself and of its interfaces, in its own words.

/// Interfaces whose words are kept, the first of a file.
const INTERFACES_MAX: usize = 16;
/// What is kept of each text, in bytes.
const TEXT_LEN_MAX: usize = 1_024;

/// What a file says of itself. Of each text the first kilobyte is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What its first section was made on (shb_hardware); empty where it does not say.
    pub hardware: String,
    /// By which program (shb_userappl).
    pub application: String,
    /// Its first 16 interfaces.
    pub interfaces: Vec<AboutInterface>,
}

/// What it says of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AboutInterface {
    /// Its name (if_name); empty where it does not say.
    pub name: String,
    /// What it is (if_description).
    pub description: String,
    /// What the comment on its statistics says, which mostly stand at the end of the file.
    pub statistics: String,
}

impl About {
    /// The interface of this place, if its words are kept.
    pub(super) fn interface(&mut self, place: usize) -> Option<&mut AboutInterface> {
        if place == self.interfaces.len() && place < INTERFACES_MAX {
            self.interfaces.push(AboutInterface::default());
        }
        self.interfaces.get_mut(place)
    }
}

/// A value as it may be shown: whoever wrote it may have meant harm to a terminal.
pub(super) fn text(value: &[u8]) -> String {
    let kept = &value[..value.len().min(TEXT_LEN_MAX)];
    let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
    String::from_utf8_lossy(kept).chars().map(shown).collect()
}

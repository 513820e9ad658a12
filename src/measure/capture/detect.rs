//! Which stamps a capture's frames have, found out by its first frames.

use core::fmt;

use super::Frame;
use super::trailer::{Layout, NoStamp, may_tell_of_stamps};

/// So many frames with IP in them, or an Arista 7280's header, are looked at.
pub const FRAMES: u32 = 64;

/// Looks at the first [`FRAMES`] frames of a capture.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    seen: u32,
    cut_off: u32,
    fits: [u32; Layout::ALL.len()],
}

/// What was found. As a sentence it says what is measured by, or what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Every frame fits, and no other layout.
    Stamps(Layout),
    /// No frame fits any.
    None,
    /// Some frames fit.
    Some {
        /// The layout that most fit.
        layout: Layout,
        /// How many do.
        fit: u32,
        /// Of so many.
        of: u32,
    },
    /// Every frame fits both.
    Either(Layout, Layout),
    /// There are no ends to be looked at.
    CutOff,
}

impl Detector {
    /// Looks at one more frame, and says whether it wants to see another.
    pub fn on_frame(&mut self, frame: &Frame<'_>) -> bool {
        if self.seen + self.cut_off == FRAMES {
            return false;
        }
        if !may_tell_of_stamps(frame.bytes) {
            return true;
        }
        let mut is_cut_off = false;
        for (layout, fits) in Layout::ALL.into_iter().zip(&mut self.fits) {
            let may_be = match frame.fcs_len {
                Some(len) => layout.has_fcs == (len > 0) || layout == Layout::ALL[4],
                None => true,
            };
            match layout.read(frame) {
                Ok(_) if may_be => *fits += 1,
                Ok(_) | Err(NoStamp::Absent) => {}
                Err(NoStamp::CutOff) => is_cut_off = true,
            }
        }
        self.seen += u32::from(!is_cut_off);
        self.cut_off += u32::from(is_cut_off);
        self.seen + self.cut_off < FRAMES
    }

    /// What the frames that were seen say.
    pub fn found(&self) -> Found {
        let most = Layout::ALL.into_iter().zip(self.fits).max_by_key(|(_, fits)| *fits);
        let (layout, fit) = most.expect("there are layouts");
        let of = self.seen + self.cut_off;
        let mut all = Layout::ALL.into_iter().zip(self.fits).filter(|(_, fits)| *fits == of);
        match (all.next(), all.next()) {
            _ if of == 0 => Found::None,
            (Some((first, _)), Some((second, _))) => Found::Either(first, second),
            (Some((only, _)), None) => Found::Stamps(only),
            _ if fit > 0 => Found::Some { layout, fit, of },
            _ if self.cut_off == of => Found::CutOff,
            _ => Found::None,
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Stamps(layout) => write!(f, "every frame has {layout}: their stamps are used"),
            Found::None => f.write_str("no frame has a device's stamp: the records' own times are used"),
            Found::Some { layout, fit, of } => write!(
                f,
                "{fit} of the first {of} frames have {layout}, the others have not: say by --trailer whether they are stamps"
            ),
            Found::Either(first, second) => {
                write!(f, "frames may have {first}, or {second}: say by --trailer which")
            }
            Found::CutOff => {
                f.write_str("frames are cut off before a device's stamp would come: the records' own times are used")
            }
        }
    }
}

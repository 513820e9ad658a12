//! A file of captured frames, read back block by block.

use std::fs;
use std::path::Path;

/// A block as it was read back.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: u32,
    body: Vec<u8>,
    options: Vec<(u16, Vec<u8>)>,
}

impl Block {
    pub(super) fn number(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.body[at..at + 4].try_into().unwrap())
    }

    pub(super) fn option(&self, code: u16) -> Option<&[u8]> {
        self.options.iter().find(|(found, _)| *found == code).map(|(_, value)| value.as_slice())
    }

    pub(super) fn text(&self, code: u16) -> &str {
        self.option(code).map_or("", |value| std::str::from_utf8(value).unwrap())
    }

    pub(super) fn count(&self, code: u16) -> Option<u64> {
        self.option(code).map(|value| u64::from_le_bytes(value.try_into().unwrap()))
    }

    pub(super) fn ns(&self) -> u64 {
        u64::from(self.number(4)) << 32 | u64::from(self.number(8))
    }

    pub(super) fn frame(&self) -> &[u8] {
        &self.body[20..20 + self.number(12) as usize]
    }
}

/// Every block of a file, which must have nothing beside whole ones.
pub(super) fn read(path: &Path) -> Vec<Block> {
    blocks(&fs::read(path).unwrap())
}

pub(super) fn blocks(mut bytes: &[u8]) -> Vec<Block> {
    let number =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let (kind, len) = (number(bytes, 0), number(bytes, 4) as usize);
        assert_eq!(number(bytes, len - 4) as usize, len, "the length stands at both ends");
        let body = bytes[8..len - 4].to_vec();
        let fixed = match kind {
            0x0a0d_0d0a => 16,
            1 => 8,
            5 => 12,
            6 => 20 + number(&body, 12).next_multiple_of(4) as usize,
            other => panic!("no block of kind {other} is written"),
        };
        let mut rest = &body[fixed..];
        let mut options = Vec::new();
        while let [code_0, code_1, len_0, len_1, ..] = *rest {
            let len = usize::from(u16::from_le_bytes([len_0, len_1]));
            let code = u16::from_le_bytes([code_0, code_1]);
            options.push((code, rest[4..4 + len].to_vec()));
            rest = &rest[4 + len.next_multiple_of(4)..];
        }
        assert_eq!(options.pop(), Some((0, vec![])), "options have an end");
        blocks.push(Block { kind, body, options });
        bytes = &bytes[len..];
    }
    blocks
}

pub(super) fn packets(blocks: &[Block]) -> Vec<&Block> {
    blocks.iter().filter(|block| block.kind == 6).collect()
}

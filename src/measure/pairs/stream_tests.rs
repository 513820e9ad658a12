//! Streams in any order, against what each byte's first segment says.

use proptest::prelude::*;

use super::mark::{Came, Mark, NoTime, Place};
use super::stream::{Stream, Told};
use crate::wire::tcp::SeqNumber;

fn message(number: usize) -> Vec<u8> {
    let body = format!("35=0|34={number}|49=A|56=B|58={}|", "x".repeat(number * 7 % 50));
    let head = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
    let sum = head.bytes().fold(0u8, u8::wrapping_add);
    format!("{head}10={sum:03}\x01").into_bytes()
}

proptest! {
    /// Pieces of a stream in any order, some of them more than once: each message comes out once, in order, and with the frames of
    /// those of its segments that passed first and last.
    #[test]
    fn messages_come_out_once_with_the_segments_that_passed_first_and_last(
        first in any::<u32>(), cuts in prop::collection::vec(0usize..900, 0..10),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..14),
    ) {
        let messages: Vec<_> = (1..9).map(message).collect();
        let bytes = messages.concat();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|pair| pair[0]..pair[1]).collect();
        // Some in any order, and then all that there are.
        let mut sent: Vec<_> = order.iter().map(|index| index.get(&pieces).clone()).collect();
        sent.extend(pieces);

        let mut brought = vec![0_u64; bytes.len()];
        let mut stream = Stream::new();
        stream.begin(SeqNumber(first));
        let mut told: Vec<(Vec<u8>, u64, u64)> = Vec::new();
        for (frame, piece) in (1..).zip(sent) {
            brought[piece.clone()].iter_mut().filter(|by| **by == 0).for_each(|by| *by = frame);
            let mark = Mark { place: Place { file: 0, frame }, stamp: Err(NoTime::Absent) };
            let seq = SeqNumber(first) + piece.start as u32;
            stream.on_bytes(seq, &bytes[piece], Came { mark, ack: None }, &mut |of| match of {
                Told::Message { bytes, first, last, .. } => {
                    told.push((bytes.to_vec(), first.mark.place.frame, last.mark.place.frame));
                }
                other => panic!("{other:?}"),
            });
        }
        let mut at = 0;
        let expected: Vec<_> = messages
            .into_iter()
            .map(|message| {
                let by = &brought[at..at + message.len()];
                at += message.len();
                (message, *by.iter().min().unwrap(), *by.iter().max().unwrap())
            })
            .collect();
        prop_assert_eq!(told, expected);
    }
}

//! The log on the disk: what was put and deleted, one record after the other.
//!
//! ```text
//!   file:    "BFKV" | id: u32 | record | record | ...
//!   record:  crc: u32 | key bytes: u16 | value bytes: u32, or DELETED | key | value        (numbers little-endian)
//! ```
//!
//! Records are only appended, so a power cut damages the last one at most: reading stops at the first that is not whole. What
//! lies behind the end of a file that was just made longer may be anything, an older log's records too. So the checksum is
//! of the log's id and the record's offset as well: a record counts where it was written, and nowhere else.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crc::{CRC_32_ISO_HDLC, Crc};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const MAGIC: [u8; 4] = *b"BFKV";
const DELETED: u32 = u32::MAX;
const RECORD_HEAD: usize = 10;
/// Longest key, in bytes.
pub const KEY_MAX: usize = 255;
/// Longest value, in bytes.
pub const VALUE_MAX: usize = 64 << 10;

/// Everything that is stored.
pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// The beginning of a log with this id, which no log before it should have had.
pub fn head(id: u32) -> Vec<u8> {
    [MAGIC, id.to_le_bytes()].concat()
}

/// The record at this offset: `value` is `None` for a key that is deleted.
pub fn record(id: u32, offset: usize, key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    let length = value.map_or(DELETED, |value| value.len() as u32);
    let mut bytes = Vec::from([0; 4]);
    bytes.extend((key.len() as u16).to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(key);
    bytes.extend(value.unwrap_or_default());
    let sum = checksum(id, offset, &bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn checksum(id: u32, offset: usize, body: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&id.to_le_bytes());
    digest.update(&(offset as u64).to_le_bytes());
    digest.update(body);
    digest.finalize()
}

/// What a log says.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    pub id: u32,
    pub pairs: Pairs,
    /// Where the last whole record ends, in bytes.
    pub end: usize,
}

/// Reads a log up to the first record that is not whole; `None` if not even its head is.
pub fn read(file: &[u8]) -> Option<Contents> {
    let (magic, rest) = file.split_first_chunk::<4>()?;
    let id = u32::from_le_bytes(*rest.first_chunk()?);
    if *magic != MAGIC {
        return None;
    }
    let mut contents = Contents {
        id,
        pairs: Pairs::new(),
        end: 8,
    };
    while let Some((key, value, bytes)) = whole_record(id, contents.end, &file[contents.end..]) {
        match value {
            Some(value) => contents.pairs.insert(key.to_vec(), value.to_vec()),
            None => contents.pairs.remove(key),
        };
        contents.end += bytes;
    }
    Some(contents)
}

/// Key, value and length of the record at the beginning of `bytes`, which are those at `offset`.
fn whole_record(id: u32, offset: usize, bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>, usize)> {
    let (sum, body) = bytes.split_first_chunk::<4>()?;
    let (key_length, rest) = body.split_first_chunk::<2>()?;
    let (value_length, rest) = rest.split_first_chunk::<4>()?;
    let key_length = usize::from(u16::from_le_bytes(*key_length));
    let value_length = u32::from_le_bytes(*value_length);
    let in_file = if value_length == DELETED {
        0
    } else {
        value_length as usize
    };
    let (key, rest) = rest.split_at_checked(key_length)?;
    let value = rest.get(..in_file)?;
    let length = RECORD_HEAD + key_length + in_file;
    let whole = checksum(id, offset, &body[..length - 4]) == u32::from_le_bytes(*sum);
    whole.then_some((key, (value_length != DELETED).then_some(value), length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// A log of five records, and what is stored after each.
    fn example() -> (Vec<u8>, Vec<(usize, Pairs)>) {
        let operations: [(&[u8], Option<&[u8]>); 5] = [
            (b"one", Some(b"1")),
            (b"two", Some(b"")),
            (b"one", Some(b"a longer value")),
            (b"two", None),
            (b"none", None),
        ];
        let mut file = head(7);
        let mut pairs = Pairs::new();
        let mut states = vec![(file.len(), pairs.clone())];
        for (key, value) in operations {
            file.extend(record(7, file.len(), key, value));
            match value {
                Some(value) => pairs.insert(key.to_vec(), value.to_vec()),
                None => pairs.remove(key),
            };
            states.push((file.len(), pairs.clone()));
        }
        (file, states)
    }

    #[test]
    fn a_log_cut_anywhere_says_what_its_whole_records_say() {
        let (file, states) = example();
        for cut in 0..=file.len() {
            let read = read(&file[..cut]);
            match states.iter().rfind(|(end, _)| *end <= cut) {
                Some((end, pairs)) => {
                    let read = read.expect("the head is whole");
                    assert_eq!((read.end, &read.pairs), (*end, pairs), "cut at {cut}");
                }
                None => assert_eq!(read, None, "cut at {cut}"),
            }
        }
    }

    #[test]
    fn a_damaged_byte_costs_its_record_and_those_behind_it() {
        let (file, states) = example();
        for at in 8..file.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] ^= flip;
                let read = read(&damaged).expect("the head is whole");
                let (end, pairs) = states.iter().rfind(|(end, _)| *end <= at).unwrap();
                assert_eq!((read.end, &read.pairs), (*end, pairs), "byte {at}");
            }
        }
    }

    #[test]
    fn records_of_another_log_or_of_another_place_do_not_count() {
        let (file, states) = example();
        let mut other = file.clone();
        other[4..8].copy_from_slice(&8u32.to_le_bytes());
        assert_eq!(read(&other).unwrap().end, 8);
        let second = states[1].0;
        let moved = [&file[..8], &file[second..]].concat();
        assert_eq!(read(&moved).unwrap().end, 8);
    }
}

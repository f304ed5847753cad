//! What lies beside a payload: its cold file and its link data.

use formats::cold::{self, ColdError};
use formats::link::{self, Functions, Index, LinkError};

/// CRC-32 of IEEE 802.3, bit by bit: the formats' own is what is tested.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ if crc & 1 != 0 { 0xEDB8_8320 } else { 0 }
        })
    })
}

fn seal(bytes: &mut [u8], part: std::ops::Range<usize>, at: usize) {
    if let Some(sum) = bytes.get(part).map(crc32)
        && let Some(out) = bytes.get_mut(at..at + 4)
    {
        out.copy_from_slice(&sum.to_le_bytes());
    }
}

/// A cold file, as it is and with the checksums of head and table made right. Of what is accepted every block can be asked
/// for, and lies in the file.
pub fn cold(data: &[u8]) {
    use_cold(data);
    let mut sealed = data.to_vec();
    let blocks = sealed.get(12..16).map_or(0, |word| {
        word.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
    });
    let end = cold::HEAD_BYTES.saturating_add(blocks.saturating_mul(cold::ENTRY_BYTES));
    seal(&mut sealed, cold::HEAD_BYTES..end, 44);
    seal(&mut sealed, 0..48, 48);
    use_cold(&sealed);
}

fn use_cold(file: &[u8]) {
    let Some(head) = file.first_chunk() else {
        return;
    };
    let Ok(bytes) = cold::index_bytes(head) else {
        return;
    };
    let Ok(index) = cold::Index::parse(&file[..bytes.min(file.len())], file.len() as u64) else {
        return;
    };
    let mut total = 0;
    let mut scratch = vec![0; index.block_bytes()];
    let mut number = 0;
    while let Some(entry) = index.entry(number) {
        let stored = &file[entry.offset as usize..][..entry.stored_bytes as usize];
        let unpack = |_: &[u8], out: &mut [u8]| Some(out.len());
        match index.open(number, stored, &mut scratch, unpack) {
            Ok(block) => assert_eq!(block.len(), index.block(number).len()),
            Err(ColdError::Checksum { part: "block", .. }) => {}
            Err(error) => panic!("block {number}: {error}"),
        }
        total += index.block(number).len() as u64;
        number += 1;
    }
    assert_eq!(total, index.content_bytes());
    assert!(index.block(number).is_empty() && index.block(usize::MAX).is_empty());
}

/// Link data, as it is and with the checksums of head and table made right; and a function table by itself.
pub fn link(data: &[u8]) {
    use_link(data);
    let mut sealed = data.to_vec();
    let sections = sealed.get(8..12).map_or(0, |word| {
        word.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
    });
    let end = link::HEAD_BYTES.saturating_add(sections.saturating_mul(link::ENTRY_BYTES));
    seal(&mut sealed, link::HEAD_BYTES..end, 32);
    seal(&mut sealed, 0..36, 36);
    use_link(&sealed);
    let Ok(functions) = Functions::parse(data) else {
        return;
    };
    let mut last = None;
    for index in 0..functions.len() {
        let (address, bytes) = functions.get(index).expect("below the length");
        assert!(last.is_none_or(|last| last <= address) && address.checked_add(bytes).is_some());
        assert_eq!(functions.starting_at(address), Some(index));
        last = Some(address + bytes.max(1));
    }
    assert_eq!(functions.starting_in(0, u64::MAX).len(), functions.len());
    assert_eq!(
        Functions::parse(&functions.encode()).as_ref(),
        Ok(&functions)
    );
}

fn use_link(file: &[u8]) {
    let Ok(index) = Index::parse(
        &file[..file.len().min(link::INDEX_BYTES)],
        file.len() as u64,
    ) else {
        return;
    };
    for section in index.sections() {
        let stored = file[section.offset as usize..][..section.stored_bytes as usize].to_vec();
        match section.open(stored, |_, bytes| Some(vec![0; bytes.min(1 << 20)])) {
            Ok(content) => assert_eq!(content.len() as u64, section.bytes),
            Err(
                LinkError::Checksum {
                    part: "section", ..
                }
                | LinkError::Unpacked { .. },
            ) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

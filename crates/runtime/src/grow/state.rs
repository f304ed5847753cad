//! The store as growth uses it: how far the machine has grown, and the records growth reads and writes.

use super::Refusal;
use super::policy::Growth;
use crate::files::Files;
use formats::record::kind;
use formats::slots::STORE_PATH;
use store::records::{FileArea, Records};

/// The open store, and what it says of growth.
pub struct State {
    records: Records<FileArea>,
    /// What is remembered from boot to boot.
    pub growth: Growth,
}

impl State {
    /// Opens the store. A record of growth that cannot be read starts the count again.
    ///
    /// # Errors
    /// There is no store, or it cannot be read.
    pub fn open(files: &Files) -> Result<Self, Refusal> {
        let area = files.area(STORE_PATH)?.ok_or_else(|| {
            format!("there is no {STORE_PATH}: make the image again, with a store")
        })?;
        let mut records = Records::open(area).map_err(|e| e.to_string())?;
        let growth = records.latest(kind::GROWTH, 0).map_err(|e| e.to_string())?;
        let growth = growth.and_then(|record| serde_json::from_slice(&record.payload).ok());
        Ok(Self {
            records,
            growth: growth.unwrap_or_default(),
        })
    }

    /// The newest record of a kind and key.
    pub fn read(&mut self, kind: u16, key: u64) -> Result<Option<Vec<u8>>, Refusal> {
        let record = self.records.latest(kind, key).map_err(|e| e.to_string())?;
        Ok(record.map(|record| record.payload))
    }

    /// Writes a record.
    pub fn write(&mut self, kind: u16, key: u64, payload: &[u8]) -> Result<(), Refusal> {
        let written = self.records.put(kind, key, payload);
        written.map(drop).map_err(|e| e.to_string())
    }

    /// Writes how far the machine has grown.
    pub fn save(&mut self) -> Result<(), Refusal> {
        let growth = serde_json::to_vec(&self.growth).map_err(|e| e.to_string())?;
        self.write(kind::GROWTH, 0, &growth)
    }
}

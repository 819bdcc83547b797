//! The agent's checkpoint: an append-only file of records, each with its length and checksum.
//!
//! Appending is a plain write; [`Journal::sync`]ing is asked of a thread, which does all that waits with one fsync. A
//! tail that was being written when the node lost power is cut off. At every start, and when it has grown large, the
//! file is written anew from the state.

use proffer_agent::{Record, WriteId};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

/// First bytes of the file: what it is, and the version of its form.
const MAGIC: &[u8; 8] = b"PRFJ0001";
/// No record is longer: a launch with the largest environment that Linux takes, escaped, is a few MiB.
const MAX_RECORD: usize = 32 * 1024 * 1024;
/// Past this size the file is written anew.
const COMPACT_BYTES: u64 = 64 * 1024 * 1024;
/// Space that is set aside, so that a full disk does not stop the agent from noting what happens.
const RESERVE_BYTES: u64 = 4 * 1024 * 1024;
const NAME: &str = "journal";

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read.
    #[error("cannot read the journal {0}")]
    Read(PathBuf, #[source] io::Error),
    /// The file cannot be written.
    #[error("cannot write the journal {0}")]
    Write(PathBuf, #[source] io::Error),
    /// A record has no JSON form.
    #[error("cannot encode a record")]
    Encode(#[source] serde_json::Error),
    /// The file is of another version.
    #[error(
        "{0} is no journal of this version: run the version that wrote it, or move it away (running tasks are then reported as gone)"
    )]
    Version(PathBuf),
    /// The thread that syncs has ended.
    #[error("the journal's sync thread has ended")]
    SyncThread,
}

/// The open journal.
pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    syncs: mpsc::Sender<Sync>,
}

/// What the sync thread is asked.
enum Sync {
    UpTo(WriteId),
    /// The file was replaced.
    File(File),
}

/// What a journal held.
#[derive(Debug)]
pub struct Recovered {
    /// Its records.
    pub records: Vec<Record>,
    /// Bytes at its end that were no whole record.
    pub torn_bytes: u64,
}

/// Reads the journal in `directory`; nothing if there is none.
pub fn read(directory: &Path) -> Result<Recovered, JournalError> {
    let path = directory.join(NAME);
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Recovered { records: Vec::new(), torn_bytes: 0 });
        }
        Err(error) => return Err(JournalError::Read(path, error)),
    }
    if bytes.is_empty() {
        return Ok(Recovered { records: Vec::new(), torn_bytes: 0 });
    }
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        return Err(JournalError::Version(path));
    };
    let mut records = Vec::new();
    while let Some((record, after)) = next_record(rest) {
        records.push(record);
        rest = after;
    }
    let torn_bytes = rest.len() as u64;
    if torn_bytes > 0 {
        // Kept for whoever wants to know what was lost: a torn tail is a few bytes, damage in the middle is not.
        let aside = directory.join(format!("{NAME}.torn"));
        if let Err(error) = std::fs::write(&aside, &bytes) {
            tracing::warn!(%error, "cannot keep a copy of the damaged journal");
        }
    }
    Ok(Recovered { records, torn_bytes })
}

/// The first whole record, and what follows it.
fn next_record(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (payload, rest) = rest.split_at_checked(length).filter(|_| length <= MAX_RECORD)?;
    if crc32fast::hash(payload) != u32::from_le_bytes(*checksum) {
        return None;
    }
    serde_json::from_slice(payload).ok().map(|record| (record, rest))
}

fn encode(record: &Record, into: &mut Vec<u8>) -> Result<(), JournalError> {
    let payload = serde_json::to_vec(record).map_err(JournalError::Encode)?;
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    into.extend_from_slice(&payload);
    Ok(())
}

impl Journal {
    /// Writes a new journal with these records into `directory`, in the place of the old one. `synced` is called, from
    /// another thread, with the newest write that has become durable.
    pub fn create(
        directory: &Path,
        records: &[Record],
        synced: impl Fn(Result<WriteId, io::Error>) + Send + 'static,
    ) -> Result<Self, JournalError> {
        let path = directory.join(NAME);
        let (file, length) = replace(&path, records)?;
        let (syncs, requests) = mpsc::channel();
        let mut synced_file = file.try_clone().map_err(|error| JournalError::Write(path.clone(), error))?;
        let run = move || {
            while let Ok(mut request) = requests.recv() {
                let mut newest = None;
                loop {
                    match request {
                        Sync::UpTo(write) => newest = Some(write),
                        // All that was asked for before is in the new file, which is durable.
                        Sync::File(file) => synced_file = file,
                    }
                    match requests.try_recv() {
                        Ok(next) => request = next,
                        Err(_) => break,
                    }
                }
                if let Some(write) = newest {
                    synced(synced_file.sync_data().map(|()| write));
                }
            }
        };
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(run)
            .map_err(|error| JournalError::Write(path.clone(), error))?;
        Ok(Self { path, file, length, syncs })
    }

    /// Appends records; they survive this process from now on, and the node's power from the next sync on.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        for record in records {
            encode(record, &mut bytes)?;
        }
        self.file.write_all(&bytes).map_err(|error| JournalError::Write(self.path.clone(), error))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Asks for everything up to `write` to be made durable.
    pub fn sync(&self, write: WriteId) -> Result<(), JournalError> {
        self.syncs.send(Sync::UpTo(write)).map_err(|_| JournalError::SyncThread)
    }

    /// Whether it has grown so large that it should be [`Self::compact`]ed.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.length > COMPACT_BYTES
    }

    /// Writes the file anew with these records, which must stand for everything that was appended.
    pub fn compact(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let failed = |error| JournalError::Write(self.path.clone(), error);
        let (file, length) = replace(&self.path, records)?;
        let clone = file.try_clone().map_err(failed)?;
        self.syncs.send(Sync::File(clone)).map_err(|_| JournalError::SyncThread)?;
        (self.file, self.length) = (file, length);
        Ok(())
    }
}

/// Writes a journal beside `path` and then in its place, durably.
fn replace(path: &Path, records: &[Record]) -> Result<(File, u64), JournalError> {
    let failed = |error: io::Error| JournalError::Write(path.to_owned(), error);
    let new = path.with_extension("new");
    let mut bytes = MAGIC.to_vec();
    for record in records {
        encode(record, &mut bytes)?;
    }
    let _ = std::fs::remove_file(&new);
    let mut file = OpenOptions::new().append(true).create_new(true).open(&new).map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
    if let Err(error) = rustix::fs::fallocate(&file, flags, bytes.len() as u64, RESERVE_BYTES) {
        tracing::debug!(%error, "the file system cannot set space aside for the journal");
    }
    file.sync_all().map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)?;
    if let Some(directory) = path.parent() {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    }
    Ok((file, bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("proffer-journal-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn epochs(records: &[Record]) -> Vec<u64> {
        records
            .iter()
            .filter_map(|record| if let Record::Epoch { epoch } = record { Some(*epoch) } else { None })
            .collect()
    }

    #[test]
    fn what_is_appended_is_read_back_and_synced_in_groups() {
        let directory = directory("append");
        let (sender, synced) = channel();
        let mut journal = Journal::create(&directory, &[Record::Epoch { epoch: 1 }], move |write| {
            sender.send(write.unwrap()).unwrap();
        })
        .unwrap();
        for epoch in 2..=20 {
            journal.append([&Record::Epoch { epoch }]).unwrap();
            journal.sync(WriteId(epoch)).unwrap();
        }
        while synced.recv().unwrap() < WriteId(20) {}
        journal.compact(&[Record::Epoch { epoch: 20 }]).unwrap();
        journal.append([&Record::Epoch { epoch: 21 }]).unwrap();
        let recovered = read(&directory).unwrap();
        assert_eq!((epochs(&recovered.records), recovered.torn_bytes), (vec![20, 21], 0));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_torn_tail_loses_only_what_was_not_whole() {
        let directory = directory("torn");
        let records: Vec<Record> = (1..=3).map(|epoch| Record::Epoch { epoch }).collect();
        drop(Journal::create(&directory, &records, |_| {}).unwrap());
        let whole = std::fs::read(directory.join(NAME)).unwrap();
        let last = {
            let mut bytes = Vec::new();
            encode(&records[2], &mut bytes).unwrap();
            bytes.len()
        };
        for length in whole.len() - last..whole.len() {
            std::fs::write(directory.join(NAME), &whole[..length]).unwrap();
            assert_eq!(epochs(&read(&directory).unwrap().records), [1, 2], "cut to {length} bytes");
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        std::fs::write(directory.join(NAME), &flipped).unwrap();
        assert_eq!(epochs(&read(&directory).unwrap().records), [1, 2]);
        std::fs::write(directory.join(NAME), b"something else").unwrap();
        assert!(matches!(read(&directory), Err(JournalError::Version(_))));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

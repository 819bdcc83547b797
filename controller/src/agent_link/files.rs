//! Sandbox files, asked of the agent that has them.

use super::links::Links;
use proffer_agent_link::v1;
use proffer_master::{AgentName, Epoch};
use proffer_mesos_api::files::FileInfo;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long an agent is given to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// What an agent answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    List(Vec<FileInfo>),
    Data { offset: u64, data: Vec<u8>, size: u64 },
    Error(u16, String),
}

/// Why there is no file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The agent says why, with the HTTP status that fits.
    #[error("{1}")]
    Agent(u16, String),
    /// The agent is not connected to this process.
    #[error("agent {0} is not connected: try again when it is Ready again")]
    NotConnected(String),
    /// The agent did not answer.
    #[error("agent {0} did not answer: try again")]
    NoAnswer(String),
}

impl Links {
    /// Lists a folder.
    pub async fn browse(&self, epoch: Epoch, agent: &AgentName, path: &str) -> Result<Vec<FileInfo>, FileError> {
        match self.file(epoch, agent, path, v1::file_request::Operation::Browse(v1::Browse {})).await? {
            Answer::List(files) => Ok(files),
            answer => Err(unexpected(agent, &answer)),
        }
    }

    /// Reads part of a file: where the part starts, the part, and the size of the whole.
    pub async fn read(
        &self,
        epoch: Epoch,
        agent: &AgentName,
        path: &str,
        offset: i64,
        length: i64,
    ) -> Result<(u64, Vec<u8>, u64), FileError> {
        match self.file(epoch, agent, path, v1::file_request::Operation::Read(v1::Read { offset, length })).await? {
            Answer::Data { offset, data, size } => Ok((offset, data, size)),
            answer => Err(unexpected(agent, &answer)),
        }
    }

    async fn file(
        &self,
        epoch: Epoch,
        agent: &AgentName,
        path: &str,
        operation: v1::file_request::Operation,
    ) -> Result<Answer, FileError> {
        let id = self.next_request.fetch_add(1, Ordering::SeqCst);
        let (session, answer) = self.ask(agent, id).ok_or_else(|| FileError::NotConnected(agent.0.clone()))?;
        let request = v1::FileRequest { epoch: epoch.0, id, path: path.to_owned(), operation: Some(operation) };
        self.send_message(session, v1::FromMaster { message: Some(v1::from_master::Message::FileRequest(request)) });
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(Answer::Error(status, message))) => Err(FileError::Agent(status, message)),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(FileError::NotConnected(agent.0.clone())),
            Err(_) => {
                self.forget(id);
                Err(FileError::NoAnswer(agent.0.clone()))
            }
        }
    }
}

fn unexpected(agent: &AgentName, answer: &Answer) -> FileError {
    tracing::warn!(%agent, ?answer, "an agent answered another question than was asked");
    FileError::NoAnswer(agent.0.clone())
}

/// An agent's answer, read.
pub(super) fn answer(said: v1::FileReply) -> Answer {
    use v1::file_reply::Result;
    match said.result {
        Some(Result::List(list)) => Answer::List(list.files.into_iter().map(file_info).collect()),
        Some(Result::Data(data)) => Answer::Data { offset: data.offset, data: data.data, size: data.size },
        Some(Result::Error(error)) => {
            let status = u16::try_from(error.status).ok().filter(|status| (400..600).contains(status));
            Answer::Error(status.unwrap_or(500), error.message)
        }
        None => Answer::Error(500, "the agent's answer is empty".to_owned()),
    }
}

fn file_info(said: v1::FileInfo) -> FileInfo {
    FileInfo {
        path: said.path,
        nlink: said.nlink,
        size: said.size,
        mtime: said.mtime,
        mode: said.mode,
        uid: said.uid,
        gid: said.gid,
    }
}

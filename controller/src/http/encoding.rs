//! The two encodings of calls and their answers, and how a request's headers choose between them.

use axum::http::HeaderValue;
use proffer_mesos_api::{Described, decode, encode, json};

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    /// The encoding of this media type, which must be written exactly so.
    pub(crate) fn named(media_type: &[u8]) -> Option<Self> {
        [Self::Json, Self::Protobuf].into_iter().find(|encoding| encoding.media_type().as_bytes() == media_type)
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }

    /// The encoding that an `Accept` header wants: JSON if it may be, and without a header.
    pub(crate) fn wanted(accept: Option<&HeaderValue>) -> Option<Self> {
        let Some(accept) = accept else { return Some(Self::Json) };
        let accept = accept.to_str().ok()?;
        let accepts = |encoding: &Self| {
            accept.split(',').any(|range| {
                let mut parts = range.split(';').map(str::trim);
                let wanted = parts.next().unwrap_or_default();
                // A quality of zero is a refusal.
                let refused = parts.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse() == Ok(0.0_f64));
                !refused && (wanted == "*/*" || wanted == "application/*" || wanted == encoding.media_type())
            })
        };
        [Self::Json, Self::Protobuf].into_iter().find(accepts)
    }

    /// Reads a call; why not is in Mesos' words.
    pub(crate) fn decode<M: Described>(self, body: &[u8]) -> Result<M, String> {
        match self {
            Self::Protobuf => decode(body).map_err(|_| "Failed to parse body into Call protobuf".to_owned()),
            Self::Json => json::decode(body).map_err(|error| match error {
                json::Error::Syntax(_) => format!("Failed to parse body into JSON: {error}"),
                _ => format!("Failed to convert JSON into Call protobuf: {error}"),
            }),
        }
    }

    /// Writes a message.
    pub(crate) fn encode<M: Described>(self, message: &M) -> Vec<u8> {
        match self {
            Self::Protobuf => encode(message),
            Self::Json => json::encode(message).into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_preferred_where_it_is_accepted() {
        for (accept, wanted) in [
            ("application/json", Some(Encoding::Json)),
            ("application/x-protobuf", Some(Encoding::Protobuf)),
            ("application/x-protobuf, application/json", Some(Encoding::Json)),
            ("application/json;q=0, application/x-protobuf", Some(Encoding::Protobuf)),
            ("*/*", Some(Encoding::Json)),
            ("text/plain", None),
        ] {
            assert_eq!(Encoding::wanted(Some(&HeaderValue::from_static(accept))), wanted, "{accept}");
        }
        assert_eq!(Encoding::wanted(None), Some(Encoding::Json));
    }
}

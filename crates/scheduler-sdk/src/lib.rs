//! What schedulers for Proffer and for Mesos are written with: a driver of the v1 scheduler API.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use proffer_scheduler_sdk::{Driver, Event, Settings, v1};
//!
//! let framework = v1::FrameworkInfo { user: "nobody".into(), name: "mine".into(), ..Default::default() };
//! let (scheduler, mut events) = Driver::start(&Settings::new(["http://proffer:5050".parse()?], framework))?;
//! loop {
//!     match events.next().await? {
//!         Event::Offers(offers) => scheduler.decline(offers.into_iter().map(|offer| offer.id), Some(60.0)).await?,
//!         Event::Update(status) => println!("{}: {}", status.task_id.value, status.state().as_str_name()),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! The driver finds the leading master, subscribes, reads the stream, notices when it is dead, subscribes again with
//! the framework's ID, asks for the state of all tasks then, and acknowledges updates. What is left to a scheduler is
//! what to do with offers and updates.
//!
//! | module | what |
//! | --- | --- |
//! | `session` | the driver's decisions: inputs in, effects out; reads no clock and no socket |
//! | `driver` | carries the effects out |
//! | `http` | connections, credentials, TLS |
//! | [`Scheduler`] | the calls |
//! | [`Events`] | the events |
//! | [`resources`] | amounts in offers and tasks |

mod calls;
mod credentials;
mod driver;
mod event;
mod events;
mod http;
mod master_url;
pub mod resources;
mod scheduler;
mod session;
mod settings;

pub use credentials::Credentials;
pub use driver::{Driver, StartError};
pub use event::{Event, Subscribed};
pub use events::{Ended, Events};
pub use master_url::{InvalidMasterUrl, MasterUrl};
pub use proffer_mesos_api::v1;
pub use scheduler::{CallError, Scheduler};
pub use settings::{Acknowledgement, BackOff, Encoding, Settings, Tls};

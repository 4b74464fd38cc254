//! The keys of encrypted segments, as the engine asks for them: by the name that a segment bears.

use std::{fmt, pin::Pin, sync::Arc};

use datafusion::{
    arrow::datatypes::SchemaRef,
    common::{DataFusionError, config::EncryptionFactoryOptions},
    execution::parquet_encryption::EncryptionFactory,
    parquet::{
        encryption::{
            decrypt::{FileDecryptionProperties, KeyRetriever},
            encrypt::FileEncryptionProperties,
        },
        errors::ParquetError,
    },
};

use crate::store::Seal;

/// Opens the segments of a sealed lake.
pub(super) struct Keys {
    seal: Arc<dyn Seal>,
}

impl Keys {
    pub(super) fn new(seal: Arc<dyn Seal>) -> Self {
        Self { seal }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Finds the key of one segment.
struct Finder {
    seal: Arc<dyn Seal>,
    path: String,
}

impl KeyRetriever for Finder {
    fn retrieve_key(&self, name: &[u8]) -> Result<Vec<u8>, ParquetError> {
        let key = self.seal.key(&self.path, name);
        key.map(|key| key.to_vec()).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

type Given<'a, T> =
    Pin<Box<dyn Future<Output = Result<Option<Arc<T>>, DataFusionError>> + Send + 'a>>;

impl EncryptionFactory for Keys {
    // Written out, as `async_trait` would write it. The engine writes no file.
    fn get_file_encryption_properties<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        _config: &'life1 EncryptionFactoryOptions,
        _schema: &'life2 SchemaRef,
        _path: &'life3 object_store::path::Path,
    ) -> Given<'async_trait, FileEncryptionProperties>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn get_file_decryption_properties<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        _config: &'life1 EncryptionFactoryOptions,
        path: &'life2 object_store::path::Path,
    ) -> Given<'async_trait, FileDecryptionProperties>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        let finder = Finder { seal: Arc::clone(&self.seal), path: path.to_string() };
        let properties = FileDecryptionProperties::with_key_retriever(Arc::new(finder)).build();
        let properties = properties.map(Some).map_err(DataFusionError::from);
        Box::pin(std::future::ready(properties))
    }
}

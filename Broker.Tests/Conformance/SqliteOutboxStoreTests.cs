using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteOutboxStoreTests() : OutboxStoreSuite(SqlDialect.Sqlite);

using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlOutboxStoreTests() : OutboxStoreSuite(SqlDialect.MySql);

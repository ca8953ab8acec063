using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlOutboxStoreTests() : OutboxStoreSuite(SqlDialect.PostgreSql);

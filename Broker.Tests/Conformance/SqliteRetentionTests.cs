using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteRetentionTests() : RetentionSuite(SqlDialect.Sqlite);

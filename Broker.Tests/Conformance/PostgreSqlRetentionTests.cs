using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlRetentionTests() : RetentionSuite(SqlDialect.PostgreSql);

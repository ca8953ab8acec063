using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlSagaTests() : SagaSuite(SqlDialect.PostgreSql);

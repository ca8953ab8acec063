using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlSchemaTests() : SchemaSuite(SqlDialect.PostgreSql);

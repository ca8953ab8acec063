using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteSchemaTests() : SchemaSuite(SqlDialect.Sqlite);

using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqlServerSchemaTests() : SchemaSuite(SqlDialect.SqlServer);

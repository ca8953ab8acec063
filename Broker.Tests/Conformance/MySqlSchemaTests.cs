using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlSchemaTests() : SchemaSuite(SqlDialect.MySql);

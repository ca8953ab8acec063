using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqlServerInspectionTests() : InspectionSuite(SqlDialect.SqlServer);

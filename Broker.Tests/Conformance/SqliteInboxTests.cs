using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteInboxTests() : InboxSuite(SqlDialect.Sqlite);

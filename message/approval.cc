// approval
